/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the C glue and the Rust core of echodev offer to each other.
 */

#ifndef _ECHODEV_H_
#define	_ECHODEV_H_

struct echodev_filters;
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

/* src/kpi/monitor/leave.rs */
void	echodev_knlist_lock(void *arg);
void	echodev_knlist_unlock(void *arg);

/* echodev.c */
extern struct cdevsw echodev_cdevsw;
struct echodev_filters *echodev_filters_alloc(void);
void	echodev_filters_free(struct echodev_filters *filters);
struct filterops *echodev_filterops(struct echodev_filters *filters,
	    int filter);
void	echodev_knlist_init(struct knlist *knl, struct sx *sx);
int	echodev_xlock_sig(struct sx *sx);
int	echodev_sleep(void *chan, struct sx *sx, const char *wmesg);
struct thread *echodev_curthread(void);
size_t	echodev_physmem(void);

#endif /* !_ECHODEV_H_ */
