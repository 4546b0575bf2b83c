/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * /dev/plain: a FIFO of 64 bytes in plain C, for the tests of kldhost.  It is
 * written as such drivers usually are, and works in normal use.  It has two
 * deliberate faults, each marked "Fault":
 *
 *  - MOD_UNLOAD destroys the knlists without dropping the knotes that are still
 *    on them;
 *  - write(2) ignores the error of uiomove(9), and so spins without end on a bad
 *    user pointer, with the lock held.
 */

#include <sys/param.h>
#include <sys/conf.h>
#include <sys/event.h>
#include <sys/fcntl.h>
#include <sys/filio.h>
#include <sys/kernel.h>
#include <sys/lock.h>
#include <sys/malloc.h>
#include <sys/module.h>
#include <sys/poll.h>
#include <sys/selinfo.h>
#include <sys/sx.h>
#include <sys/systm.h>
#include <sys/uio.h>

#define	PLAIN_SIZE	64

/* A second name for the device, for a test. */
#ifndef PLAIN_NAME
#define	PLAIN_NAME	"plain"
#endif

static MALLOC_DEFINE(M_PLAIN, "plain", "plain FIFO device");

struct plain {
	struct sx	 lock;
	struct cdev	*cdev;
	char		*ring;
	size_t		 head;		/* index of the oldest byte */
	size_t		 count;		/* bytes held */
	u_int		 writers;
	int		 dying;		/* unload has begun */
	struct selinfo	 in;		/* readers wait here */
	struct selinfo	 out;		/* writers wait here */
};

static struct plain plain;

static d_open_t		plain_open;
static d_close_t	plain_close;
static d_read_t		plain_read;
static d_write_t	plain_write;
static d_ioctl_t	plain_ioctl;
static d_poll_t		plain_poll;
static d_kqfilter_t	plain_kqfilter;

static struct cdevsw plain_cdevsw = {
	.d_version =	D_VERSION,
	.d_flags =	D_TRACKCLOSE,
	.d_name =	"plain",
	.d_open =	plain_open,
	.d_close =	plain_close,
	.d_read =	plain_read,
	.d_write =	plain_write,
	.d_ioctl =	plain_ioctl,
	.d_poll =	plain_poll,
	.d_kqfilter =	plain_kqfilter,
};

/* Notifies all waiters on one side that it has changed. */
static void
plain_notify(struct plain *p, struct selinfo *side)
{

	sx_assert(&p->lock, SA_XLOCKED);
	wakeup(side);
	selwakeup(side);
	KNOTE_LOCKED(&side->si_note, 0);
}

/* Sleeps until one side changes, with the lock released. */
static int
plain_wait(struct plain *p, struct selinfo *side, int ioflag, const char *wmesg)
{

	if (p->dying)
		return (ENXIO);
	if ((ioflag & O_NONBLOCK) != 0)
		return (EWOULDBLOCK);
	return (sx_sleep(side, &p->lock, PCATCH, wmesg, 0));
}

static int
plain_open(struct cdev *dev, int fflag, int devtype, struct thread *td)
{
	struct plain *p = dev->si_drv1;

	sx_xlock(&p->lock);
	if ((fflag & FWRITE) != 0)
		p->writers++;
	sx_xunlock(&p->lock);
	return (0);
}

static int
plain_close(struct cdev *dev, int fflag, int devtype, struct thread *td)
{
	struct plain *p = dev->si_drv1;

	sx_xlock(&p->lock);
	if ((fflag & FWRITE) != 0 && --p->writers == 0)
		plain_notify(p, &p->in);
	sx_xunlock(&p->lock);
	return (0);
}

static int
plain_read(struct cdev *dev, struct uio *uio, int ioflag)
{
	struct plain *p = dev->si_drv1;
	size_t n;
	int error = 0;

	if (uio->uio_resid == 0)
		return (0);
	sx_xlock(&p->lock);
	while (error == 0 && p->count == 0 && p->writers != 0)
		error = plain_wait(p, &p->in, ioflag, "plainrd");
	while (error == 0 && p->count != 0 && uio->uio_resid != 0) {
		n = MIN(p->count, PLAIN_SIZE - p->head);
		n = MIN(n, (size_t)uio->uio_resid);
		error = uiomove(p->ring + p->head, n, uio);
		if (error != 0)
			break;
		p->head = (p->head + n) % PLAIN_SIZE;
		p->count -= n;
		plain_notify(p, &p->out);
	}
	sx_xunlock(&p->lock);
	return (error);
}

static int
plain_write(struct cdev *dev, struct uio *uio, int ioflag)
{
	struct plain *p = dev->si_drv1;
	size_t n, tail;
	int error;

	sx_xlock(&p->lock);
	while (uio->uio_resid != 0) {
		while (p->count == PLAIN_SIZE) {
			error = plain_wait(p, &p->out, ioflag, "plainwr");
			if (error != 0) {
				sx_xunlock(&p->lock);
				return (error);
			}
		}
		tail = (p->head + p->count) % PLAIN_SIZE;
		n = MIN(PLAIN_SIZE - p->count, PLAIN_SIZE - tail);
		n = MIN(n, (size_t)uio->uio_resid);
		/* Fault: after an error, uio_resid does not change, and this loops. */
		if (uiomove(p->ring + tail, n, uio) == 0) {
			p->count += n;
			plain_notify(p, &p->in);
		}
	}
	sx_xunlock(&p->lock);
	return (0);
}

static int
plain_ioctl(struct cdev *dev, u_long cmd, caddr_t data, int fflag,
    struct thread *td)
{
	struct plain *p = dev->si_drv1;

	switch (cmd) {
	case FIONBIO:
		return (0);
	case FIOASYNC:
		return (*(int *)data != 0 ? EINVAL : 0);
	case FIONREAD:
		sx_slock(&p->lock);
		*(int *)data = p->count;
		sx_sunlock(&p->lock);
		return (0);
	default:
		return (ENOTTY);
	}
}

static int
plain_poll(struct cdev *dev, int events, struct thread *td)
{
	struct plain *p = dev->si_drv1;
	int revents = 0;

	sx_slock(&p->lock);
	if (p->count != 0 || p->writers == 0)
		revents |= events & (POLLIN | POLLRDNORM);
	if (p->count != PLAIN_SIZE)
		revents |= events & (POLLOUT | POLLWRNORM);
	if (revents == 0) {
		if ((events & (POLLIN | POLLRDNORM)) != 0)
			selrecord(td, &p->in);
		if ((events & (POLLOUT | POLLWRNORM)) != 0)
			selrecord(td, &p->out);
	}
	sx_sunlock(&p->lock);
	return (revents);
}

static void
plain_in_detach(struct knote *kn)
{

	knlist_remove(&plain.in.si_note, kn, 0);
}

static int
plain_in_event(struct knote *kn, long hint)
{

	kn->kn_data = plain.count;
	if (plain.writers == 0)
		kn->kn_flags |= EV_EOF;
	else
		kn->kn_flags &= ~EV_EOF;
	return (plain.count != 0 || plain.writers == 0);
}

static void
plain_out_detach(struct knote *kn)
{

	knlist_remove(&plain.out.si_note, kn, 0);
}

static int
plain_out_event(struct knote *kn, long hint)
{

	kn->kn_data = PLAIN_SIZE - plain.count;
	return (kn->kn_data != 0);
}

/*
 * struct filterops grows within a release line.  A later kernel reads the words
 * after a table that was compiled for an earlier one, and calls nonzero ones.
 * Each table therefore has its own tail of zeroes.
 */
struct plain_filterops {
	struct filterops fop;
	void	*tail[8];
};

#if __FreeBSD_version >= 1400000
#define	FILTEROPS_CONST	const
#else
#define	FILTEROPS_CONST		/* kn_fop is not a pointer to const */
#endif

static FILTEROPS_CONST struct plain_filterops plain_in_ops = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	plain_in_detach,
		.f_event =	plain_in_event,
	},
};

static FILTEROPS_CONST struct plain_filterops plain_out_ops = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	plain_out_detach,
		.f_event =	plain_out_event,
	},
};

static int
plain_kqfilter(struct cdev *dev, struct knote *kn)
{
	struct plain *p = dev->si_drv1;

	if (kn->kn_filter == EVFILT_READ) {
		kn->kn_fop = &plain_in_ops.fop;
		knlist_add(&p->in.si_note, kn, 0);
	} else if (kn->kn_filter == EVFILT_WRITE) {
		kn->kn_fop = &plain_out_ops.fop;
		knlist_add(&p->out.si_note, kn, 0);
	} else
		return (EINVAL);
	return (0);
}

static void
plain_knl_lock(void *arg)
{

	sx_xlock((struct sx *)arg);
}

static void
plain_knl_unlock(void *arg)
{

	sx_xunlock((struct sx *)arg);
}

#if __FreeBSD_version >= 1300038
static void
plain_knl_assert(void *arg, int what)
{

	sx_assert((struct sx *)arg, what);
}
#define	PLAIN_KNL_ASSERT	plain_knl_assert
#else
static void
plain_knl_assert_locked(void *arg)
{

	sx_assert((struct sx *)arg, SA_LOCKED);
}

static void
plain_knl_assert_unlocked(void *arg)
{

	sx_assert((struct sx *)arg, SA_UNLOCKED);
}
#define	PLAIN_KNL_ASSERT	plain_knl_assert_locked, plain_knl_assert_unlocked
#endif

static void
plain_free(struct plain *p)
{

	/* Fault: knotes may still be attached, and are not dropped. */
	knlist_destroy(&p->in.si_note);
	knlist_destroy(&p->out.si_note);
	seldrain(&p->in);
	seldrain(&p->out);
	free(p->ring, M_PLAIN);
	sx_destroy(&p->lock);
}

static int
plain_load(struct plain *p)
{
	struct make_dev_args args;
	int error;

	sx_init(&p->lock, "plain");
	knlist_init(&p->in.si_note, &p->lock, plain_knl_lock, plain_knl_unlock,
	    PLAIN_KNL_ASSERT);
	knlist_init(&p->out.si_note, &p->lock, plain_knl_lock, plain_knl_unlock,
	    PLAIN_KNL_ASSERT);
	p->ring = malloc(PLAIN_SIZE, M_PLAIN, M_WAITOK | M_ZERO);
	make_dev_args_init(&args);
	args.mda_flags = MAKEDEV_WAITOK | MAKEDEV_CHECKNAME;
	args.mda_devsw = &plain_cdevsw;
	args.mda_uid = UID_ROOT;
	args.mda_gid = GID_WHEEL;
	args.mda_mode = 0600;
	args.mda_si_drv1 = p;
	error = make_dev_s(&args, &p->cdev, PLAIN_NAME);
	if (error != 0)
		plain_free(p);
	return (error);
}

static void
plain_unload(struct plain *p)
{

	/* The kernel also sends MOD_UNLOAD after a MOD_LOAD that failed. */
	if (p->cdev == NULL)
		return;
	sx_xlock(&p->lock);
	p->dying = 1;
	plain_notify(p, &p->in);
	plain_notify(p, &p->out);
	sx_xunlock(&p->lock);
	destroy_dev(p->cdev);
	plain_free(p);
}

static int
plain_modevent(module_t mod, int what, void *arg)
{

	switch (what) {
	case MOD_LOAD:
		return (plain_load(&plain));
	case MOD_UNLOAD:
		plain_unload(&plain);
		return (0);
	default:
		return (EOPNOTSUPP);
	}
}

DEV_MODULE(plain, plain_modevent, NULL);
MODULE_VERSION(plain, 1);
