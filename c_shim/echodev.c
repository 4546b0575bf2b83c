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
 * Not const: in FreeBSD 12, kn_fop points to non-const filterops.
 */
struct filterops echodev_read_filterops = {
	.f_isfd =	1,
	.f_detach =	echodev_knote_detach,
	.f_event =	echodev_read_event,
};

struct filterops echodev_write_filterops = {
	.f_isfd =	1,
	.f_detach =	echodev_knote_detach,
#ifdef MUTANT_FILTERS_ARE_THE_SAME
	.f_event =	echodev_read_event,
#else
	.f_event =	echodev_write_event,
#endif
};

static void
echodev_knlist_lock(void *arg)
{
	sx_xlock(arg);
}

static void
echodev_knlist_unlock(void *arg)
{
	sx_xunlock(arg);
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
#endif

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
 * sx_sleep(9) that a stop signal ends, too.  A thread that were stopped in
 * its sleep would be in the method until it is continued: unloading would
 * wait for it, and a wakeup_one(9) that chose it would be lost on others.
 */
int
echodev_sleep(void *chan, struct sx *sx, int pri, const char *wmesg)
{
	int error, stops;

	stops = sigdeferstop(SIGDEFERSTOP_ERESTART);
	error = sx_sleep(chan, sx, pri, wmesg, 0);
	sigallowstop(stops);
	return (error);
}

struct thread *
echodev_curthread(void)
{
	return (curthread);
}

static int
echodev_modevent(module_t mod, int type, void *arg)
{
	static struct cdev *dev;
	static struct echodev_softc *sc;

	switch (type) {
	case MOD_LOAD:
		return (echodev_load(&dev, &sc));
	case MOD_UNLOAD:
		/* After a MOD_LOAD that failed, the kernel sends this, too. */
		if (sc != NULL) {
			echodev_unload(dev, sc);
			sc = NULL;
		}
		return (0);
	default:
		return (EOPNOTSUPP);
	}
}

DEV_MODULE(echodev, echodev_modevent, NULL);
MODULE_VERSION(echodev, 1);
