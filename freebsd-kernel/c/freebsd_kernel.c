/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What the crate freebsd-kernel needs in C: macros of the kernel's headers as
 * functions, and the structures whose layout only C has.
 */

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/conf.h>
#include <sys/event.h>
#include <sys/kernel.h>
#include <sys/lock.h>
#include <sys/malloc.h>
#include <sys/module.h>
#include <sys/pcpu.h>
#include <sys/proc.h>
#include <sys/selinfo.h>
#include <sys/signalvar.h>
#include <sys/sx.h>
#include <sys/uio.h>

#include "freebsd_kernel.h"

/*
 * The tables that kn_fop points to.  They are of the kernel's M_DEVBUF, since
 * they may have to outlive the module: see kpi_filters_free().
 */
struct kpi_filters {
	struct kpi_filterops read;
	struct kpi_filterops write;
};

/* src/kqueue/callbacks.rs */
void	kpi_knlist_lock(void *arg);
void	kpi_knlist_unlock(void *arg);

struct kpi_filters *kpi_filters_alloc(void);
void	kpi_filters_free(struct kpi_filters *filters);
struct filterops *kpi_filterops(struct kpi_filters *filters, int filter);
void	kpi_knlist_init(struct knlist *knl, struct sx *sx);
int	kpi_sx_xlock_sig(struct sx *sx);
int	kpi_sx_sleep(void *chan, struct sx *sx, const char *wmesg);
struct thread *kpi_curthread(void);
size_t	kpi_physmem(void);

struct kpi_filters *
kpi_filters_alloc(void)
{
	struct kpi_filters *filters;

	filters = malloc(sizeof(*filters), M_DEVBUF, M_WAITOK);
	filters->read = *kpi_driver.read_filterops;
	filters->write = *kpi_driver.write_filterops;
	return (filters);
}

/*
 * A kernel reads kn_fop->f_isfd after f_detach has returned, and from late
 * 2025 on it may sleep in between.  So this is only for tables that no knote
 * was ever given.
 */
void
kpi_filters_free(struct kpi_filters *filters)
{
	free(filters, M_DEVBUF);
}

/* The table for EVFILT_READ or EVFILT_WRITE. */
struct filterops *
kpi_filterops(struct kpi_filters *filters, int filter)
{
	return (filter == EVFILT_READ ? &filters->read.fop :
	    &filters->write.fop);
}

#if __FreeBSD_version >= 1300038
static void
kpi_knlist_assert(void *arg, int what)
{
	sx_assert(arg, what == LA_LOCKED ? SA_XLOCKED : SA_UNLOCKED);
}
#else
static void
kpi_knlist_assert_locked(void *arg)
{
	sx_assert(arg, SA_XLOCKED);
}

static void
kpi_knlist_assert_unlocked(void *arg)
{
	sx_assert(arg, SA_UNLOCKED);
}
#endif /* __FreeBSD_version >= 1300038 */

void
kpi_knlist_init(struct knlist *knl, struct sx *sx)
{
#if __FreeBSD_version >= 1300038
	knlist_init(knl, sx, kpi_knlist_lock, kpi_knlist_unlock,
	    kpi_knlist_assert);
#else
	knlist_init(knl, sx, kpi_knlist_lock, kpi_knlist_unlock,
	    kpi_knlist_assert_locked, kpi_knlist_assert_unlocked);
#endif
}

/*
 * Locks exclusively, like sx_xlock_sig(9), but a stop signal also ends the
 * wait.  A thread that is stopped in its sleep would be in the method until
 * it is continued, and unloading would wait for it.
 */
int
kpi_sx_xlock_sig(struct sx *sx)
{
	int error, stops;

	stops = sigdeferstop(SIGDEFERSTOP_ERESTART);
	error = sx_xlock_sig(sx);
	sigallowstop(stops);
	return (error);
}

/*
 * sx_sleep(9) that a stop signal also ends, for the reason given above; and a
 * wakeup_one(9) that chose the stopped thread would be lost on the others.
 * The lock is taken again interruptibly.  If there is an error, it is not held.
 */
int
kpi_sx_sleep(void *chan, struct sx *sx, const char *wmesg)
{
	int error, stops;

	stops = sigdeferstop(SIGDEFERSTOP_ERESTART);
	error = sx_sleep(chan, sx, PCATCH | PDROP, wmesg, 0);
	if (error == 0)
		error = sx_xlock_sig(sx);
	sigallowstop(stops);
	return (error);
}

struct thread *
kpi_curthread(void)
{
	return (curthread);
}

/* Physical memory, in bytes. */
size_t
kpi_physmem(void)
{
	return (ptoa((size_t)physmem));
}

int
kpi_modevent(module_t mod, int type, void *arg)
{
	switch (type) {
	case MOD_LOAD:
		return (driver_load());
	case MOD_UNLOAD:
		driver_unload();
		return (0);
	default:
		return (EOPNOTSUPP);
	}
}
