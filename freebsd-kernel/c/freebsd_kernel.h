/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The C side of the Rust crate freebsd-kernel: what the C file of a driver
 * defines, and the methods that its tables name.
 */

#ifndef _FREEBSD_KERNEL_H_
#define	_FREEBSD_KERNEL_H_

/*
 * struct filterops grows within a release line: 40 bytes in 14.0, 48 in 15.0
 * and late 14.x (f_userdump), 56 in 15.1 (f_copy).  Every later kernel of the
 * line loads the module, and calls what follows a table that is too short,
 * unless it is NULL.  The tail gives the new members, and those to come, the
 * value of a method that is not there.
 */
struct kpi_filterops {
	struct filterops fop;
	void		*tail[8];
};

/* What the C file of a driver defines, once in a module. */
struct kpi_driver {
	const char	*name;		/* of the module, for panic(9) */
	struct cdevsw	*cdevsw;
	struct malloc_type *malloc_type;
	const struct kpi_filterops *read_filterops;
	const struct kpi_filterops *write_filterops;
};
extern const struct kpi_driver kpi_driver;

/* The event handler of the module, for DEV_MODULE(9). */
int	kpi_modevent(module_t mod, int type, void *arg);

/* Defined by the Rust macro driver!(). */
int	driver_load(void);
void	driver_unload(void);
d_open_t	driver_open;
d_close_t	driver_close;
d_read_t	driver_read;
d_write_t	driver_write;
d_ioctl_t	driver_ioctl;
d_poll_t	driver_poll;
d_kqfilter_t	driver_kqfilter;
void	driver_detach(struct knote *kn);
int	driver_read_event(struct knote *kn, long hint);
int	driver_write_event(struct knote *kn, long hint);

#endif /* !_FREEBSD_KERNEL_H_ */
