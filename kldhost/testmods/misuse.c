/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * /dev/misuse: every ioctl(2) breaks one rule of the kernel, for the tests of
 * kldhost.  All are _IO('M', n):
 *
 *   n  name                   misuse
 *   1  MISUSE_SLEEP_UNLOCKED  sx_sleep(9) with a lock that it does not hold
 *   2  MISUSE_XUNLOCK         sx_xunlock(9) of a lock that is not held
 *   3  MISUSE_SUNLOCK         sx_sunlock(9) of a lock that is not held
 *   4  MISUSE_RECURSE         sx_xlock(9) twice, without SX_RECURSE
 *   5  MISUSE_UPGRADE         sx_xlock(9) of a lock that it holds shared
 *   6  MISUSE_ORDER           takes "misuse a" and "misuse b", then b and a
 *   7  MISUSE_DESTROY_HELD    sx_destroy(9) of a lock that it holds
 *   8  MISUSE_RETURN_LOCKED   returns from d_ioctl with a lock held
 *   9  MISUSE_KNOTE_UNLOCKED  KNOTE_LOCKED(9) without the lock
 *  10  MISUSE_KNOTE_SHARED    KNOTE_LOCKED(9) under the shared lock
 *  11  MISUSE_SELRECORD       selrecord(9) outside of d_poll
 *  12  MISUSE_DESTROY_LOCKED  at unload: destroy_dev(9) with a lock held
 *  13  MISUSE_DESTROY_INSIDE  destroy_dev(9) of the device in its own method
 *  14  MISUSE_DOUBLE_FREE     free(9) twice
 *  15  MISUSE_FREE_TYPE       free(9) with another malloc type
 *  16  MISUSE_FREE_STRAY      free(9) of an address not from malloc(9)
 *  17  MISUSE_OVERRUN         writes the byte after a block, then frees it
 *  18  MISUSE_WRITE_FREED     writes to a block after free(9)
 *  19  MISUSE_NULL_READ       reads through a null pointer
 *  20  MISUSE_WRITE_CONST     writes to its .rodata
 *  21  MISUSE_CALL_NULL       calls a null function pointer
 *  22  MISUSE_CALL_DATA       calls into its .data
 *  23  MISUSE_DIVIDE          divides by zero
 *  24  MISUSE_TRAP            executes ud2
 *  25  MISUSE_OVERFLOW_STACK  recurses without end
 *  26  MISUSE_PANIC           panic(9) with the message "misuse: 26 of 42"
 *  27  MISUSE_LEAK            at unload: leaves 100 bytes of type "misuse"
 *  28  MISUSE_KEEP_KNOTES     at unload: knlist_destroy(9) with knotes on it
 *  29  MISUSE_KEEP_DEVICE     at unload: no destroy_dev(9)
 *  30  MISUSE_DEFER_STOPS     sigdeferstop() without sigallowstop()
 *
 * A misuse at unload is armed by the ioctl, which returns 0.  Without that, unload
 * is clean.  A block has 100 bytes and the type "misuse".  EVFILT_READ can be
 * registered, for 9, 10 and 28, but never fires.  poll(2) never returns an event.
 */

#include <sys/param.h>
#include <sys/conf.h>
#include <sys/event.h>
#include <sys/ioccom.h>
#include <sys/kernel.h>
#include <sys/lock.h>
#include <sys/malloc.h>
#include <sys/module.h>
#include <sys/proc.h>
#include <sys/selinfo.h>
#include <sys/signalvar.h>
#include <sys/sx.h>
#include <sys/systm.h>

enum {
	MISUSE_SLEEP_UNLOCKED = 1,
	MISUSE_XUNLOCK,
	MISUSE_SUNLOCK,
	MISUSE_RECURSE,
	MISUSE_UPGRADE,
	MISUSE_ORDER,
	MISUSE_DESTROY_HELD,
	MISUSE_RETURN_LOCKED,
	MISUSE_KNOTE_UNLOCKED,
	MISUSE_KNOTE_SHARED,
	MISUSE_SELRECORD,
	MISUSE_DESTROY_LOCKED,
	MISUSE_DESTROY_INSIDE,
	MISUSE_DOUBLE_FREE,
	MISUSE_FREE_TYPE,
	MISUSE_FREE_STRAY,
	MISUSE_OVERRUN,
	MISUSE_WRITE_FREED,
	MISUSE_NULL_READ,
	MISUSE_WRITE_CONST,
	MISUSE_CALL_NULL,
	MISUSE_CALL_DATA,
	MISUSE_DIVIDE,
	MISUSE_TRAP,
	MISUSE_OVERFLOW_STACK,
	MISUSE_PANIC,
	MISUSE_LEAK,
	MISUSE_KEEP_KNOTES,
	MISUSE_KEEP_DEVICE,
	MISUSE_DEFER_STOPS,
};

#define	MISUSE_NUM(cmd)	((int)((cmd) & 0xff))

static MALLOC_DEFINE(M_MISUSE, "misuse", "misuse device");
static MALLOC_DEFINE(M_OTHER, "misuse2", "misuse device, the other type");

static struct sx a, b;
static struct selinfo sel;
static struct cdev *misuse_cdev;
static int armed;			/* the misuse at MOD_UNLOAD */

/* volatile, so that the compiler does not see the misuse. */
static void *volatile nothing = NULL;
static volatile int zero;
static const int constant = 42;
static const int *volatile constantp = &constant;
static char not_code[16] = { 0x90 };
static void *volatile not_codep = not_code;

static d_ioctl_t	misuse_ioctl;
static d_poll_t		misuse_poll;
static d_kqfilter_t	misuse_kqfilter;

static struct cdevsw misuse_cdevsw = {
	.d_version =	D_VERSION,
	.d_name =	"misuse",
	.d_ioctl =	misuse_ioctl,
	.d_poll =	misuse_poll,
	.d_kqfilter =	misuse_kqfilter,
};

static __noinline void
misuse_lock(int what)
{

	switch (what) {
	case MISUSE_SLEEP_UNLOCKED:
		(void)sx_sleep(&armed, &a, PCATCH, "misuse", 0);
		break;
	case MISUSE_XUNLOCK:
		sx_xunlock(&a);
		break;
	case MISUSE_SUNLOCK:
		sx_sunlock(&a);
		break;
	case MISUSE_RECURSE:
		sx_xlock(&a);
		sx_xlock(&a);
		break;
	case MISUSE_UPGRADE:
		sx_slock(&a);
		sx_xlock(&a);
		break;
	case MISUSE_ORDER:
		sx_xlock(&a);
		sx_xlock(&b);
		sx_xunlock(&b);
		sx_xunlock(&a);
		sx_xlock(&b);
		sx_xlock(&a);
		sx_xunlock(&a);
		sx_xunlock(&b);
		break;
	case MISUSE_DESTROY_HELD:
		sx_xlock(&a);
		sx_destroy(&a);
		break;
	case MISUSE_RETURN_LOCKED:
		sx_xlock(&a);
		break;
	}
}

static __noinline void
misuse_event(int what, struct thread *td)
{

	switch (what) {
	case MISUSE_KNOTE_UNLOCKED:
		KNOTE_LOCKED(&sel.si_note, 0);
		break;
	case MISUSE_KNOTE_SHARED:
		sx_slock(&a);
		KNOTE_LOCKED(&sel.si_note, 0);
		sx_sunlock(&a);
		break;
	case MISUSE_SELRECORD:
		selrecord(td, &sel);
		break;
	case MISUSE_DESTROY_INSIDE:
		destroy_dev(misuse_cdev);
		break;
	}
}

static __noinline void
misuse_memory(int what)
{
	char *volatile p;

	p = malloc(100, M_MISUSE, M_WAITOK | M_ZERO);
	switch (what) {
	case MISUSE_DOUBLE_FREE:
		free(p, M_MISUSE);
		break;
	case MISUSE_FREE_TYPE:
		free(p, M_OTHER);
		return;
	case MISUSE_FREE_STRAY:
		free(p + 16, M_MISUSE);
		break;
	case MISUSE_OVERRUN:
		p[100] = 1;
		break;
	case MISUSE_WRITE_FREED:
		free(p, M_MISUSE);
		p[50] = 1;
		return;
	}
	free(p, M_MISUSE);
}

static __noinline int
misuse_recurse(volatile char *above)
{
	volatile char here[512];

	if (zero != 0)
		return (0);
	here[0] = above[0];
	return (misuse_recurse(here) + here[0]);
}

static __noinline int
misuse_cpu(int what)
{
	volatile char here = 0;

	switch (what) {
	case MISUSE_NULL_READ:
		return (*(volatile int *)nothing);
	case MISUSE_WRITE_CONST:
		*(volatile int *)__DECONST(int *, constantp) = 1;
		break;
	case MISUSE_CALL_NULL:
		((void (*)(void))nothing)();
		break;
	case MISUSE_CALL_DATA:
		((void (*)(void))not_codep)();
		break;
	case MISUSE_DIVIDE:
		return (what / zero);
	case MISUSE_TRAP:
		__builtin_trap();
	case MISUSE_OVERFLOW_STACK:
		return (misuse_recurse(&here));
	}
	return (0);
}

static int
misuse_ioctl(struct cdev *dev, u_long cmd, caddr_t data, int fflag,
    struct thread *td)
{
	int what = MISUSE_NUM(cmd);

	if (cmd != _IO('M', what))
		return (ENOTTY);
	switch (what) {
	case MISUSE_SLEEP_UNLOCKED ... MISUSE_RETURN_LOCKED:
		misuse_lock(what);
		return (0);
	case MISUSE_KNOTE_UNLOCKED ... MISUSE_SELRECORD:
	case MISUSE_DESTROY_INSIDE:
		misuse_event(what, td);
		return (0);
	case MISUSE_DOUBLE_FREE ... MISUSE_WRITE_FREED:
		misuse_memory(what);
		return (0);
	case MISUSE_NULL_READ ... MISUSE_OVERFLOW_STACK:
		return (misuse_cpu(what) != 0 ? EIO : 0);
	case MISUSE_PANIC:
		panic("misuse: %d of %s", what, "42");
	case MISUSE_DESTROY_LOCKED:
	case MISUSE_LEAK ... MISUSE_KEEP_DEVICE:
		armed = what;
		return (0);
	case MISUSE_DEFER_STOPS:
		(void)sigdeferstop(SIGDEFERSTOP_SILENT);
		return (0);
	default:
		return (ENOTTY);
	}
}

static int
misuse_poll(struct cdev *dev, int events, struct thread *td)
{

	selrecord(td, &sel);
	return (0);
}

static void
misuse_detach(struct knote *kn)
{

	knlist_remove(&sel.si_note, kn, 0);
}

static int
misuse_never(struct knote *kn, long hint)
{

	return (0);
}

/*
 * struct filterops grows within a release line.  A later kernel reads the words
 * after a table that was compiled for an earlier one, and calls nonzero ones.
 * Each table therefore has its own tail of zeroes.
 */
struct misuse_filterops {
	struct filterops fop;
	void	*tail[8];
};

static const struct misuse_filterops misuse_ops = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	misuse_detach,
		.f_event =	misuse_never,
	},
};

static int
misuse_kqfilter(struct cdev *dev, struct knote *kn)
{

	if (kn->kn_filter != EVFILT_READ)
		return (EINVAL);
	kn->kn_fop = &misuse_ops.fop;
	knlist_add(&sel.si_note, kn, 0);
	return (0);
}

static void
misuse_knl_lock(void *arg)
{

	sx_xlock((struct sx *)arg);
}

static void
misuse_knl_unlock(void *arg)
{

	sx_xunlock((struct sx *)arg);
}

static void
misuse_knl_assert(void *arg, int what)
{

	sx_assert((struct sx *)arg, what);
}

static int
misuse_load(void)
{
	struct make_dev_args args;
	int error;

	sx_init(&a, "misuse a");
	sx_init(&b, "misuse b");
	knlist_init(&sel.si_note, &a, misuse_knl_lock, misuse_knl_unlock,
	    misuse_knl_assert);
	make_dev_args_init(&args);
	args.mda_flags = MAKEDEV_WAITOK | MAKEDEV_CHECKNAME;
	args.mda_devsw = &misuse_cdevsw;
	args.mda_uid = UID_ROOT;
	args.mda_gid = GID_WHEEL;
	args.mda_mode = 0600;
	error = make_dev_s(&args, &misuse_cdev, "misuse");
	if (error != 0) {
		knlist_destroy(&sel.si_note);
		sx_destroy(&a);
		sx_destroy(&b);
	}
	return (error);
}

static void
misuse_unload(void)
{

	if (armed == MISUSE_KEEP_DEVICE)
		return;
	if (armed == MISUSE_LEAK)
		(void)malloc(100, M_MISUSE, M_WAITOK);
	if (armed == MISUSE_DESTROY_LOCKED)
		sx_xlock(&a);
	destroy_dev(misuse_cdev);
	if (armed != MISUSE_KEEP_KNOTES)
		knlist_delete(&sel.si_note, curthread, 0);
	knlist_destroy(&sel.si_note);
	seldrain(&sel);
	sx_destroy(&a);
	sx_destroy(&b);
}

static int
misuse_modevent(module_t mod, int what, void *arg)
{

	switch (what) {
	case MOD_LOAD:
		return (misuse_load());
	case MOD_UNLOAD:
		misuse_unload();
		return (0);
	default:
		return (EOPNOTSUPP);
	}
}

DEV_MODULE(misuse, misuse_modevent, NULL);
MODULE_VERSION(misuse, 1);
