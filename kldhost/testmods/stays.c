/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * /dev/stays: for the tests of kldhost, a device that threads leave while it is
 * unloaded.  Unload waits for the lock that each of them releases last, and
 * three ticks.  It does not wait until they have returned.
 *
 * The tunable hw.stays.way selects the fault:
 *
 *   0  STAYS_SAFE            none: the lock is last released by a tail call, and
 *                            the filter outlives the module
 *   1  STAYS_DETACH          f_detach returns through the module
 *   2  STAYS_UNLOCK          so does the unlock function of the knlist
 *   3  STAYS_DTOR            so does the destructor of an open file
 *   4  STAYS_TABLE           the filter is in the module
 *   5  STAYS_TABLE_FREED     the filter is freed at unload
 *
 * In two more ways, the destructor sleeps after its release, until a signal
 * arrives:
 *
 *   6  STAYS_DTOR_LEFT       in a tail call, which is safe
 *   7  STAYS_DTOR_SLEEPS     in a call
 */

#include <sys/param.h>
#include <sys/conf.h>
#include <sys/event.h>
#include <sys/kernel.h>
#include <sys/lock.h>
#include <sys/malloc.h>
#include <sys/module.h>
#include <sys/proc.h>
#include <sys/sx.h>
#include <sys/systm.h>

enum {
	STAYS_SAFE,
	STAYS_DETACH,
	STAYS_UNLOCK,
	STAYS_DTOR,
	STAYS_TABLE,
	STAYS_TABLE_FREED,
	STAYS_DTOR_LEFT,
	STAYS_DTOR_SLEEPS,
};

/* A filter, and zeroes for the methods that later kernels have. */
struct stays_filter {
	struct filterops	 fop;
	void			*tail[8];
};

static int way;
TUNABLE_INT("hw.stays.way", &way);

static struct sx lock;
static struct knlist list;
static u_int files;			/* open files; under the lock */
static struct cdev *dev;
static struct stays_filter *filter;	/* the filter of knotes */

static d_open_t		stays_open;
static d_kqfilter_t	stays_kqfilter;

static struct cdevsw stays_cdevsw = {
	.d_version =	D_VERSION,
	.d_name =	"stays",
	.d_open =	stays_open,
	.d_kqfilter =	stays_kqfilter,
};

/* A call that is followed by code is not a tail call. */
#define	STAYS_RETURN()	__asm __volatile("nop")

static void
stays_detach(struct knote *kn)
{

	knlist_remove(&list, kn, 0);
}

static void
stays_detach_returns(struct knote *kn)
{

	knlist_remove(&list, kn, 0);
	STAYS_RETURN();
}

static int
stays_event(struct knote *kn __unused, long hint __unused)
{

	return (0);
}

static struct stays_filter stays_template = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	stays_detach,
		.f_event =	stays_event,
	},
};

static void
stays_lock(void *arg)
{

	sx_xlock((struct sx *)arg);
}

static void
stays_unlock(void *arg)
{

	sx_xunlock((struct sx *)arg);
}

static void
stays_unlock_returns(void *arg)
{

	sx_xunlock((struct sx *)arg);
	STAYS_RETURN();
}

static void
stays_assert(void *arg, int what)
{

	sx_assert((struct sx *)arg, what == LA_LOCKED ? SA_XLOCKED :
	    SA_UNLOCKED);
}

/* Counts a close.  The lock stays held. */
static void
stays_closed(void)
{

	sx_xlock(&lock);
	if (--files == 0)
		wakeup(&files);
}

static void
stays_dtor(void *data __unused)
{

	stays_closed();
	sx_xunlock(&lock);
}

static void
stays_dtor_returns(void *data __unused)
{

	stays_closed();
	sx_xunlock(&lock);
	STAYS_RETURN();
}

static void
stays_dtor_left(void *data __unused)
{

	stays_closed();
	sx_xunlock(&lock);
	(void)pause_sbt("stays", 3600 * SBT_1S, 0, C_CATCH);
}

static void
stays_dtor_sleeps(void *data __unused)
{

	stays_closed();
	sx_xunlock(&lock);
	(void)pause_sbt("stays", 3600 * SBT_1S, 0, C_CATCH);
	STAYS_RETURN();
}

static int
stays_open(struct cdev *d __unused, int flags __unused, int type __unused,
    struct thread *td __unused)
{
	int error;

	sx_xlock(&lock);
	files++;
	sx_xunlock(&lock);
	error = devfs_set_cdevpriv(NULL,
	    way == STAYS_DTOR ? stays_dtor_returns :
	    way == STAYS_DTOR_LEFT ? stays_dtor_left :
	    way == STAYS_DTOR_SLEEPS ? stays_dtor_sleeps : stays_dtor);
	if (error != 0) {
		stays_closed();
		sx_xunlock(&lock);
	}
	return (error);
}

static int
stays_kqfilter(struct cdev *d __unused, struct knote *kn)
{

	if (kn->kn_filter != EVFILT_READ)
		return (EINVAL);
	kn->kn_fop = &filter->fop;
	knlist_add(&list, kn, 0);
	return (0);
}

static int
stays_load(void)
{
	struct make_dev_args args;
	int error;

	sx_init(&lock, "stays");
	knlist_init(&list, &lock, stays_lock,
	    way == STAYS_UNLOCK ? stays_unlock_returns : stays_unlock,
	    stays_assert);
	if (way == STAYS_DETACH)
		stays_template.fop.f_detach = stays_detach_returns;
	if (way == STAYS_TABLE) {
		filter = &stays_template;
	} else {
		filter = malloc(sizeof(*filter), M_DEVBUF, M_WAITOK);
		*filter = stays_template;
	}
	make_dev_args_init(&args);
	args.mda_devsw = &stays_cdevsw;
	args.mda_mode = 0600;
	error = make_dev_s(&args, &dev, "stays");
	if (error != 0) {
		if (way != STAYS_TABLE)
			free(filter, M_DEVBUF);
		knlist_destroy(&list);
		sx_destroy(&lock);
	}
	return (error);
}

static void
stays_unload(void)
{

	destroy_dev(dev);
	sx_xlock(&lock);
	while (files != 0)
		(void)sx_sleep(&files, &lock, 0, "stays", 0);
	sx_xunlock(&lock);
	knlist_delete(&list, curthread, 0);
	/* A driver might assume that all threads have left the module by then. */
	pause("stays", 3);
	if (way == STAYS_TABLE_FREED)
		free(filter, M_DEVBUF);
	knlist_destroy(&list);
	sx_destroy(&lock);
}

static int
stays_modevent(module_t mod __unused, int what, void *arg __unused)
{

	switch (what) {
	case MOD_LOAD:
		return (stays_load());
	case MOD_UNLOAD:
		if (dev != NULL)
			stays_unload();
		return (0);
	default:
		return (EOPNOTSUPP);
	}
}

DEV_MODULE(stays, stays_modevent, NULL);
MODULE_VERSION(stays, 1);
