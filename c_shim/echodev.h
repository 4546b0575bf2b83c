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
int	echodev_open(struct echodev_softc *sc, int fflag);
int	echodev_close(struct echodev_softc *sc, int fflag);
int	echodev_read(struct echodev_softc *sc, struct uio *uio, int ioflag);
int	echodev_write(struct echodev_softc *sc, struct uio *uio, int ioflag);
int	echodev_ioctl(struct echodev_softc *sc, u_long cmd, caddr_t data,
	    int fflag);
int	echodev_poll(struct echodev_softc *sc, int events, struct thread *td);
int	echodev_kqfilter(struct echodev_softc *sc, struct knote *kn);
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
