/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The part of echodev that only C can say: the tables that the kernel
 * reads, and macros as functions.  It decides nothing; see src/device.rs.
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

#include "echodev.h"

MALLOC_DEFINE(M_ECHODEV, "echodev", "/dev/echo");

struct cdevsw echodev_cdevsw = {
	.d_version =	D_VERSION,
	.d_flags =	D_TRACKCLOSE,
	.d_name =	"echo",
	.d_open =	echodev_open,
	.d_close =	echodev_close,
	.d_read =	echodev_read,
	.d_write =	echodev_write,
	.d_ioctl =	echodev_ioctl,
	.d_poll =	echodev_poll,
	.d_kqfilter =	echodev_kqfilter,
};

/*
 * struct filterops grows within a release line: 40 bytes in 14.0, 48 in 15.0
 * and late 14.x (f_userdump), 56 in 15.1 (f_copy).  Every later kernel of the
 * line loads this module, and takes what follows a table that is too short
 * for a method, unless it is NULL.  The tail gives the new members, and those
 * to come, the value of a method that is not there.
 */
struct echodev_filterops {
	struct filterops fop;
	void		*tail[8];
};

static const struct echodev_filterops echodev_read_filterops = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	echodev_knote_detach,
		.f_event =	echodev_read_event,
#ifdef KQUEUE_CPONFORK
		.f_copy =	knote_triv_copy,
#endif
	},
};

static const struct echodev_filterops echodev_write_filterops = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	echodev_knote_detach,
		.f_event =	echodev_write_event,
#ifdef KQUEUE_CPONFORK
		.f_copy =	knote_triv_copy,
#endif
	},
};

/*
 * The tables that kn_fop points to.  They are of the kernel's M_DEVBUF, since
 * they may have to outlive the module: see echodev_filters_free().
 */
struct echodev_filters {
	struct echodev_filterops read;
	struct echodev_filterops write;
};

struct echodev_filters *
echodev_filters_alloc(void)
{
	struct echodev_filters *filters;

	filters = malloc(sizeof(*filters), M_DEVBUF, M_WAITOK);
	filters->read = echodev_read_filterops;
	filters->write = echodev_write_filterops;
	return (filters);
}

/*
 * A kernel reads kn_fop->f_isfd after f_detach has returned, and from late
 * 2025 on it may sleep in between.  So this is only for tables that no knote
 * was ever given.
 */
void
echodev_filters_free(struct echodev_filters *filters)
{
	free(filters, M_DEVBUF);
}

/* The table for EVFILT_READ or EVFILT_WRITE. */
struct filterops *
echodev_filterops(struct echodev_filters *filters, int filter)
{
	return (filter == EVFILT_READ ? &filters->read.fop :
	    &filters->write.fop);
}

#if __FreeBSD_version >= 1300038
static void
echodev_knlist_assert(void *arg, int what)
{
	sx_assert(arg, what == LA_LOCKED ? SA_XLOCKED : SA_UNLOCKED);
}
#else
static void
echodev_knlist_assert_locked(void *arg)
{
	sx_assert(arg, SA_XLOCKED);
}

static void
echodev_knlist_assert_unlocked(void *arg)
{
	sx_assert(arg, SA_UNLOCKED);
}
#endif /* __FreeBSD_version >= 1300038 */

void
echodev_knlist_init(struct knlist *knl, struct sx *sx)
{
#if __FreeBSD_version >= 1300038
	knlist_init(knl, sx, echodev_knlist_lock, echodev_knlist_unlock,
	    echodev_knlist_assert);
#else
	knlist_init(knl, sx, echodev_knlist_lock, echodev_knlist_unlock,
	    echodev_knlist_assert_locked, echodev_knlist_assert_unlocked);
#endif
}

/*
 * Locks exclusively, like sx_xlock_sig(9), but a stop signal also ends the
 * wait.  A thread that is stopped in its sleep would be in the method until
 * it is continued, and unloading would wait for it.
 */
int
echodev_xlock_sig(struct sx *sx)
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
echodev_sleep(void *chan, struct sx *sx, const char *wmesg)
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
echodev_curthread(void)
{
	return (curthread);
}

/* Physical memory, in bytes. */
size_t
echodev_physmem(void)
{
	return (ptoa((size_t)physmem));
}

static struct cdev *echodev_dev;
static struct echodev_softc *echodev_sc;

static int
echodev_modevent(module_t mod, int type, void *arg)
{
	switch (type) {
	case MOD_LOAD:
		return (echodev_load(&echodev_dev, &echodev_sc));
	case MOD_UNLOAD:
		/* The kernel also sends this after a MOD_LOAD that failed. */
		if (echodev_sc != NULL) {
			echodev_unload(echodev_dev, echodev_sc);
			echodev_sc = NULL;
		}
		return (0);
	default:
		return (EOPNOTSUPP);
	}
}

DEV_MODULE(echodev, echodev_modevent, NULL);
MODULE_VERSION(echodev, 1);
