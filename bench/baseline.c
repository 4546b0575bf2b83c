/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * /dev/baseline does the same as /dev/echo, in C, as such drivers are usually
 * written.  It has a flat buffer whose rest is moved down by each read.  It
 * calls wakeup(9), selwakeup(9) and KNOTE at each change, even if no thread
 * waits.  The benchmarks compare the driver with it.
 */

#include <sys/param.h>
#include <sys/conf.h>
#include <sys/event.h>
#include <sys/fcntl.h>
#include <sys/filio.h>
#include <sys/ioccom.h>
#include <sys/kernel.h>
#include <sys/limits.h>
#include <sys/lock.h>
#include <sys/malloc.h>
#include <sys/module.h>
#include <sys/pcpu.h>
#include <sys/poll.h>
#include <sys/selinfo.h>
#include <sys/sx.h>
#include <sys/systm.h>
#include <sys/uio.h>

#define	BASELINE_GBUFSIZE	_IOR('E', 100, size_t)
#define	BASELINE_SBUFSIZE	_IOW('E', 101, size_t)
#define	BASELINE_CLEAR		_IO('E', 102)

#define	BASELINE_MAXSIZE	(16 * 1024 * 1024)

/* Another name for the device, because the kernel finds some names faster. */
#ifndef BASELINE_NAME
#define	BASELINE_NAME		"baseline"
#endif

static MALLOC_DEFINE(M_BASELINE, "baseline", "/dev/baseline");

struct baseline {
	struct cdev	*dev;
	struct sx	 lock;
	char		*buf;
	size_t		 len;
	size_t		 valid;		/* bytes held, from the start of buf */
	u_int		 writers;
	bool		 dying;
	struct selinfo	 rsel;		/* also the wait channel of readers */
	struct selinfo	 wsel;
};

static void
baseline_notify(struct baseline *sc, struct selinfo *sel, bool sleepers)
{

	sx_assert(&sc->lock, SA_XLOCKED);
	if (sleepers)
		wakeup(sel);
	selwakeup(sel);
	KNOTE_LOCKED(&sel->si_note, 0);
}

/* Each open for writing has one, so that revoke(2) also uncounts writers. */
static void
baseline_uncount(void *arg)
{
	struct baseline *sc = arg;

	sx_xlock(&sc->lock);
	sc->writers--;
	if (sc->writers == 0)
		baseline_notify(sc, &sc->rsel, true);
	sx_xunlock(&sc->lock);
}

static int
baseline_open(struct cdev *dev, int fflag, int devtype, struct thread *td)
{
	struct baseline *sc = dev->si_drv1;
	int error = 0;

	sx_xlock(&sc->lock);
	if (sc->dying)
		error = ENXIO;
	else if ((fflag & FWRITE) != 0) {
		if (sc->writers == UINT_MAX)
			error = EBUSY;
		else
			sc->writers++;
	}
	sx_xunlock(&sc->lock);
	if (error == 0 && (fflag & FWRITE) != 0) {
		error = devfs_set_cdevpriv(sc, baseline_uncount);
		if (error != 0)
			baseline_uncount(sc);
	}
	return (error);
}

static int
baseline_close(struct cdev *dev, int fflag, int devtype, struct thread *td)
{

	if ((fflag & FWRITE) != 0)
		devfs_clear_cdevpriv();
	return (0);
}

static int
baseline_read(struct cdev *dev, struct uio *uio, int ioflag)
{
	struct baseline *sc = dev->si_drv1;
	size_t n;
	int error;
	bool full;

	if (uio->uio_resid == 0)
		return (0);
	sx_xlock(&sc->lock);
	while (sc->valid == 0 && sc->writers != 0) {
		if (sc->dying)
			error = ENXIO;
		else if ((ioflag & O_NONBLOCK) != 0)
			error = EWOULDBLOCK;
		else
			error = sx_sleep(&sc->rsel, &sc->lock, PCATCH,
			    "basrd", 0);
		if (error != 0)
			goto out;
	}
	full = sc->valid == sc->len;
	n = MIN((size_t)uio->uio_resid, sc->valid);
	error = uiomove(sc->buf, n, uio);
	if (error == 0) {
		sc->valid -= n;
		memmove(sc->buf, sc->buf + n, sc->valid);
		baseline_notify(sc, &sc->wsel, full);
	}
out:
	sx_xunlock(&sc->lock);
	return (error);
}

static int
baseline_write(struct cdev *dev, struct uio *uio, int ioflag)
{
	struct baseline *sc = dev->si_drv1;
	size_t n;
	int error = 0;
	bool empty;

	if (uio->uio_resid == 0)
		return (0);
	sx_xlock(&sc->lock);
	while (uio->uio_resid != 0) {
		while (sc->valid == sc->len) {
			if (sc->dying)
				error = ENXIO;
			else if ((ioflag & O_NONBLOCK) != 0)
				error = EWOULDBLOCK;
			else
				error = sx_sleep(&sc->wsel, &sc->lock, PCATCH,
				    "baswr", 0);
			if (error != 0)
				goto out;
		}
		empty = sc->valid == 0;
		n = MIN((size_t)uio->uio_resid, sc->len - sc->valid);
		error = uiomove(sc->buf + sc->valid, n, uio);
		if (error != 0)
			goto out;
		sc->valid += n;
		baseline_notify(sc, &sc->rsel, empty);
	}
out:
	sx_xunlock(&sc->lock);
	return (error);
}

static int
baseline_resize(struct baseline *sc, size_t len)
{
	char *buf, *old;
	bool grown;

	if (len > BASELINE_MAXSIZE)
		return (EINVAL);
	buf = malloc(len, M_BASELINE, M_WAITOK | M_ZERO);
	sx_xlock(&sc->lock);
	if (len < sc->valid) {
		sx_xunlock(&sc->lock);
		free(buf, M_BASELINE);
		return (EBUSY);
	}
	memcpy(buf, sc->buf, sc->valid);
	old = sc->buf;
	sc->buf = buf;
	grown = len > sc->len;
	sc->len = len;
	if (grown)
		baseline_notify(sc, &sc->wsel, true);
	sx_xunlock(&sc->lock);
	free(old, M_BASELINE);
	return (0);
}

static int
baseline_ioctl(struct cdev *dev, u_long cmd, caddr_t data, int fflag,
    struct thread *td)
{
	struct baseline *sc = dev->si_drv1;
	size_t count;

	switch (cmd) {
	case BASELINE_GBUFSIZE:
		sx_slock(&sc->lock);
		*(size_t *)data = sc->len;
		sx_sunlock(&sc->lock);
		return (0);
	case BASELINE_SBUFSIZE:
		if ((fflag & FWRITE) == 0)
			return (EPERM);
		return (baseline_resize(sc, *(size_t *)data));
	case BASELINE_CLEAR:
		if ((fflag & FWRITE) == 0)
			return (EPERM);
		sx_xlock(&sc->lock);
		sc->valid = 0;
		baseline_notify(sc, &sc->wsel, true);
		sx_xunlock(&sc->lock);
		return (0);
	case FIONBIO:
		return (0);
	case FIOASYNC:
		return (*(int *)data != 0 ? EINVAL : 0);
	case FIONREAD:
	case FIONWRITE:
		sx_slock(&sc->lock);
		count = cmd == FIONREAD ? sc->valid : sc->len - sc->valid;
		sx_sunlock(&sc->lock);
		*(int *)data = MIN(count, INT_MAX);
		return (0);
	default:
		return (ENOTTY);
	}
}

static int
baseline_poll(struct cdev *dev, int events, struct thread *td)
{
	struct baseline *sc = dev->si_drv1;
	int revents = 0;

	sx_slock(&sc->lock);
	if (sc->valid != 0 || sc->writers == 0)
		revents |= events & (POLLIN | POLLRDNORM);
	if (sc->valid < sc->len)
		revents |= events & (POLLOUT | POLLWRNORM);
	if (sc->dying)
		revents |= POLLHUP;
	if (revents == 0) {
		if ((events & (POLLIN | POLLRDNORM)) != 0)
			selrecord(td, &sc->rsel);
		if ((events & (POLLOUT | POLLWRNORM)) != 0)
			selrecord(td, &sc->wsel);
	}
	sx_sunlock(&sc->lock);
	return (revents);
}

static bool
baseline_hung_up(struct baseline *sc, struct knote *kn)
{

	if (sc->dying) {
		kn->kn_flags |= EV_EOF;
		kn->kn_fflags = ENXIO;
	}
	return (sc->dying);
}

static int
baseline_read_event(struct knote *kn, long hint)
{
	struct baseline *sc = kn->kn_hook;

	kn->kn_data = sc->valid;
	if (baseline_hung_up(sc, kn))
		return (1);
	if (sc->writers == 0) {
		kn->kn_flags |= EV_EOF;
		return (1);
	}
	kn->kn_flags &= ~EV_EOF;
	return (kn->kn_data > 0);
}

static void
baseline_read_detach(struct knote *kn)
{
	struct baseline *sc = kn->kn_hook;

	knlist_remove(&sc->rsel.si_note, kn, 0);
}

static int
baseline_write_event(struct knote *kn, long hint)
{
	struct baseline *sc = kn->kn_hook;

	kn->kn_data = sc->len - sc->valid;
	if (baseline_hung_up(sc, kn))
		return (1);
	return (kn->kn_data > 0);
}

static void
baseline_write_detach(struct knote *kn)
{
	struct baseline *sc = kn->kn_hook;

	knlist_remove(&sc->wsel.si_note, kn, 0);
}

/*
 * struct filterops grows within a release line.  A later kernel reads members
 * after a table that was compiled for an earlier one, and calls them if they are
 * not zero.  So each table has its own tail, which remains zero.
 */
struct baseline_filterops {
	struct filterops fop;
	void	*tail[8];
};

#if __FreeBSD_version >= 1400000
#define	FILTEROPS_CONST	const
#else
#define	FILTEROPS_CONST		/* kn_fop is not a pointer to const */
#endif

static FILTEROPS_CONST struct baseline_filterops baseline_read_ops = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	baseline_read_detach,
		.f_event =	baseline_read_event,
	},
};

static FILTEROPS_CONST struct baseline_filterops baseline_write_ops = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	baseline_write_detach,
		.f_event =	baseline_write_event,
	},
};

static int
baseline_kqfilter(struct cdev *dev, struct knote *kn)
{
	struct baseline *sc = dev->si_drv1;
	struct selinfo *sel;
	int error = 0;

	switch (kn->kn_filter) {
	case EVFILT_READ:
		kn->kn_fop = &baseline_read_ops.fop;
		sel = &sc->rsel;
		break;
	case EVFILT_WRITE:
		kn->kn_fop = &baseline_write_ops.fop;
		sel = &sc->wsel;
		break;
	default:
		return (EINVAL);
	}
	kn->kn_hook = sc;
	sx_xlock(&sc->lock);
	if (sc->dying)
		error = ENXIO;
	else
		knlist_add(&sel->si_note, kn, 1);
	sx_xunlock(&sc->lock);
	return (error);
}

static struct cdevsw baseline_cdevsw = {
	.d_version =	D_VERSION,
	.d_flags =	D_TRACKCLOSE,
	.d_name =	"baseline",
	.d_open =	baseline_open,
	.d_close =	baseline_close,
	.d_read =	baseline_read,
	.d_write =	baseline_write,
	.d_ioctl =	baseline_ioctl,
	.d_poll =	baseline_poll,
	.d_kqfilter =	baseline_kqfilter,
};

static void
baseline_knl_lock(void *arg)
{

	sx_xlock((struct sx *)arg);
}

static void
baseline_knl_unlock(void *arg)
{

	sx_xunlock((struct sx *)arg);
}

#if __FreeBSD_version >= 1300038
static void
baseline_knl_assert(void *arg, int what)
{

	sx_assert((struct sx *)arg, what);
}
#define	BASELINE_KNL_ASSERT	baseline_knl_assert
#else
static void
baseline_knl_assert_locked(void *arg)
{

	sx_assert((struct sx *)arg, SA_LOCKED);
}

static void
baseline_knl_assert_unlocked(void *arg)
{

	sx_assert((struct sx *)arg, SA_UNLOCKED);
}
#define	BASELINE_KNL_ASSERT						\
	baseline_knl_assert_locked, baseline_knl_assert_unlocked
#endif

static void
baseline_free(struct baseline *sc)
{

	knlist_delete(&sc->rsel.si_note, curthread, 0);
	knlist_delete(&sc->wsel.si_note, curthread, 0);
	knlist_destroy(&sc->rsel.si_note);
	knlist_destroy(&sc->wsel.si_note);
	seldrain(&sc->rsel);
	seldrain(&sc->wsel);
	sx_destroy(&sc->lock);
	free(sc->buf, M_BASELINE);
	free(sc, M_BASELINE);
}

static int
baseline_load(struct baseline **scp)
{
	struct make_dev_args args;
	struct baseline *sc;
	int error;

	sc = malloc(sizeof(*sc), M_BASELINE, M_WAITOK | M_ZERO);
	sx_init(&sc->lock, "baseline");
	knlist_init(&sc->rsel.si_note, &sc->lock, baseline_knl_lock,
	    baseline_knl_unlock, BASELINE_KNL_ASSERT);
	knlist_init(&sc->wsel.si_note, &sc->lock, baseline_knl_lock,
	    baseline_knl_unlock, BASELINE_KNL_ASSERT);
	sc->len = 64;
	sc->buf = malloc(sc->len, M_BASELINE, M_WAITOK | M_ZERO);
	make_dev_args_init(&args);
	args.mda_flags = MAKEDEV_WAITOK | MAKEDEV_CHECKNAME;
	args.mda_devsw = &baseline_cdevsw;
	args.mda_uid = UID_ROOT;
	args.mda_gid = GID_WHEEL;
	args.mda_mode = 0600;
	args.mda_si_drv1 = sc;
	error = make_dev_s(&args, &sc->dev, BASELINE_NAME);
	if (error != 0)
		baseline_free(sc);
	else
		*scp = sc;
	return (error);
}

static void
baseline_unload(struct baseline *sc)
{

	sx_xlock(&sc->lock);
	sc->dying = true;
	baseline_notify(sc, &sc->rsel, true);
	baseline_notify(sc, &sc->wsel, true);
	sx_xunlock(&sc->lock);
	destroy_dev(sc->dev);
	/* Gives threads in kevent(2) the time to collect their events. */
	pause_sbt("basun", SBT_1S / 10, 0, 0);
	baseline_free(sc);
}

static int
baseline_modevent(module_t mod, int what, void *arg)
{
	static struct baseline *sc;

	switch (what) {
	case MOD_LOAD:
		return (baseline_load(&sc));
	case MOD_UNLOAD:
		/* The kernel also sends it after a MOD_LOAD that failed. */
		if (sc != NULL)
			baseline_unload(sc);
		sc = NULL;
		return (0);
	default:
		return (EOPNOTSUPP);
	}
}

DEV_MODULE(baseline, baseline_modevent, NULL);
MODULE_VERSION(baseline, 1);
