/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the C glue and the Rust core of echodev offer to each other.
 */

#ifndef _ECHODEV_H_
#define	_ECHODEV_H_

struct echodev_softc;

/* src/entry.rs */
int	echodev_load(struct cdev **devp, struct echodev_softc **scp);
void	echodev_unload(struct cdev *dev, struct echodev_softc *sc);
d_open_t	echodev_open;
d_close_t	echodev_close;
d_read_t	echodev_read;
d_write_t	echodev_write;
d_ioctl_t	echodev_ioctl;
d_poll_t	echodev_poll;
d_kqfilter_t	echodev_kqfilter;
void	echodev_knote_detach(struct knote *kn);
int	echodev_read_event(struct knote *kn, long hint);
int	echodev_write_event(struct knote *kn, long hint);

/* echodev.c */
extern struct cdevsw echodev_cdevsw;
extern struct filterops echodev_read_filterops;
extern struct filterops echodev_write_filterops;
void	echodev_knlist_init(struct knlist *knl, struct sx *sx);
int	echodev_sleep(void *chan, struct sx *sx, int pri, const char *wmesg);
struct thread *echodev_curthread(void);

#endif /* !_ECHODEV_H_ */
