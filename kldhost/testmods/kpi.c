/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * /dev/kpi: calls the functions of the KPI that the other modules do not use,
 * for the tests of kldhost.
 *
 * _IOWR('K', n, int) runs check n below 100.  It returns 0, or the number of the
 * line that has failed.  The checks are named in the array at the end.  From 100
 * on they are misuses, which do not return:
 *
 *   n    misuse
 *   100  sleeps with a mutex held
 *   101  malloc(9) with M_WAITOK and a mutex held
 *   102  takes a lock that was never initialised
 *   103  initialises a lock twice
 *   104  frees memory that a thread sleeps on
 *   105  KNOTE_UNLOCKED(9), whose f_event takes an sx lock
 *   106  uiomove(9) with a mutex held (the next read(2))
 *   107  sleeps without a lock and without a timeout
 *   108  unlocks a mutex that it does not hold
 *   109  malloc(9) of SIZE_MAX bytes, with M_WAITOK
 *   110  realloc(9) to SIZE_MAX bytes, with M_WAITOK
 *   111  mallocarray(9) of SIZE_MAX elements
 *   112  malloc(9) of all memory and a byte, with M_WAITOK
 *
 * read(2) returns the text "kpi\n", from the file's offset on.  EVFILT_READ fires
 * after KPI_FIRE, _IO('K', 200).  KPI_SLEEP, _IO('K', 201), sleeps on memory, for
 * 104.  KPI_TURN, _IOW('K', 202, struct user_string), reverses a string.
 * KPI_XCOPY and KPI_SCOPY, 203 and 204, copyin(9) a string with the sx lock held,
 * exclusively or shared.  Their wait for the lock is interruptible.
 */

#include <sys/param.h>
#include <sys/conf.h>
#include <sys/event.h>
#include <sys/fcntl.h>
#include <sys/ioccom.h>
#include <sys/kernel.h>
#include <sys/lock.h>
#include <sys/malloc.h>
#include <sys/module.h>
#include <sys/mutex.h>
#include <sys/selinfo.h>
#include <sys/sx.h>
#include <sys/syslog.h>
#include <sys/systm.h>
#include <sys/uio.h>

#define	KPI_FIRE	_IO('K', 200)
#define	KPI_SLEEP	_IO('K', 201)
#define	KPI_TURN	_IOW('K', 202, struct user_string)
#define	KPI_XCOPY	_IOW('K', 203, struct user_string)
#define	KPI_SCOPY	_IOW('K', 204, struct user_string)

#define	CHECK(what)	do {						\
	if (!(what))							\
		return (__LINE__);					\
} while (0)

struct user_string {
	char	*text;
	size_t	 size;
};

static MALLOC_DEFINE(M_KPI, "kpi", "KPI checks");

static struct mtx kpi_mtx;
MTX_SYSINIT(kpi_mtx, &kpi_mtx, "kpi mutex", MTX_DEF);
static struct sx kpi_sx;
SX_SYSINIT(kpi_sx, &kpi_sx, "kpi sx");
static struct selinfo kpi_sel;
static struct cdev *kpi_cdev, *kpi_others[3];
static int fired, event_locks, read_locks, destroyed;
static void *volatile channel;

static int tune_int = 1;
TUNABLE_INT("hw.kpi.int", &tune_int);
static unsigned long tune_ulong = 2;
TUNABLE_ULONG("hw.kpi.ulong", &tune_ulong);
static char tune_str[8] = "none";
TUNABLE_STR("hw.kpi.str", tune_str, sizeof(tune_str));
static bool tune_bool;
TUNABLE_BOOL("hw.kpi.bool", &tune_bool);

static int
check_strings(void)
{
	char a[3000], b[16];
	int i;

	CHECK(strlen("four") == 4);
	CHECK(strcmp("abc", "abd") < 0 && strcmp("b", "a") > 0);
	CHECK(strcmp("ab", "abc") < 0 && strcmp("x", "x") == 0);
	CHECK(strncmp("abcd", "abxx", 2) == 0);
	CHECK(strlcpy(b, "0123456789abcdefgh", sizeof(b)) == 18);
	CHECK(strcmp(b, "0123456789abcde") == 0);
	CHECK(snprintf(b, sizeof(b), "%s-%d-%#lx", "x", -5, 255ul) == 9);
	CHECK(strcmp(b, "x--5-0xff") == 0);
	for (i = 0; i < (int)sizeof(a); i++)
		a[i] = i * 7;
	memmove(a + 1, a, sizeof(a) - 1);
	for (i = 1; i < (int)sizeof(a); i++)
		CHECK(a[i] == (char)((i - 1) * 7));
	memmove(a, a + 1, sizeof(a) - 1);
	for (i = 0; i < (int)sizeof(a) - 1; i++)
		CHECK(a[i] == (char)(i * 7));
	bzero(a, sizeof(a));
	memset(b, 0, sizeof(b));
	CHECK(bcmp(a + 1000, b, sizeof(b)) == 0);
	b[15] = 1;
	CHECK(memcmp(a, b, sizeof(b)) < 0 && memcmp(a, b, 15) == 0);
	return (0);
}

static int
check_malloc(void)
{
	uint32_t *p;
	int i;

	p = malloc(64 * sizeof(*p), M_KPI, M_WAITOK);
	CHECK(p[0] == 0xdeadc0de && p[63] == 0xdeadc0de);
	for (i = 0; i < 64; i++)
		p[i] = i;
	p = realloc(p, 128 * sizeof(*p), M_KPI, M_WAITOK | M_ZERO);
	for (i = 0; i < 64; i++)
		CHECK(p[i] == (uint32_t)i);
	p = reallocf(p, 8, M_KPI, M_WAITOK);
	CHECK(p[0] == 0 && p[1] == 1);
	zfree(p, M_KPI);
	p = mallocarray(3, 1000, M_KPI, M_WAITOK | M_ZERO);
	for (i = 0; i < 750; i++)
		CHECK(p[i] == 0);
	CHECK(((uintptr_t)p & 63) == 0);
	free(p, M_KPI);
	free(NULL, M_KPI);
	p = malloc(10, M_TEMP, M_NOWAIT);
	CHECK(p != NULL);
	free(p, M_TEMP);
	p = malloc(10, M_KPI, M_WAITOK | M_ZERO);
	CHECK(malloc((size_t)1 << 60, M_KPI, M_NOWAIT) == NULL);
	CHECK(malloc(SIZE_MAX, M_KPI, M_NOWAIT) == NULL);
	CHECK(realloc(p, SIZE_MAX, M_KPI, M_NOWAIT) == NULL);
	CHECK(p[0] == 0);
	free(p, M_KPI);
	/* The machine has 512 MB, and not all of it is in use. */
	CHECK(physmem == (512L << 20) / PAGE_SIZE);
	CHECK(malloc(ptoa(physmem) + 1, M_KPI, M_NOWAIT) == NULL);
	p = malloc(ptoa(physmem) / 2, M_DEVBUF, M_NOWAIT);
	CHECK(p != NULL);
	CHECK(malloc(ptoa(physmem) / 2 + 1, M_DEVBUF, M_NOWAIT) == NULL);
	free(p, M_DEVBUF);
	p = malloc(ptoa(physmem) / 2 + 1, M_DEVBUF, M_NOWAIT);
	CHECK(p != NULL);
	free(p, M_DEVBUF);
	return (0);
}

static int
check_mutex(void)
{
	static struct mtx recursive;

	CHECK(!mtx_owned(&kpi_mtx));
	mtx_lock(&kpi_mtx);
	CHECK(mtx_owned(&kpi_mtx) && mtx_trylock(&kpi_mtx) == 0);
	CHECK(mtx_sleep(&recursive, &kpi_mtx, 0, "kpimtx", 1) == EWOULDBLOCK);
	CHECK(mtx_owned(&kpi_mtx));
	CHECK(mtx_sleep(&recursive, &kpi_mtx, PDROP, "kpimtx", 1) == EWOULDBLOCK);
	CHECK(!mtx_owned(&kpi_mtx) && mtx_trylock(&kpi_mtx) != 0);
	mtx_unlock(&kpi_mtx);
	mtx_init(&recursive, "kpi recursive mutex", NULL, MTX_DEF | MTX_RECURSE);
	mtx_lock(&recursive);
	mtx_lock(&recursive);
	CHECK(mtx_recursed(&recursive));
	mtx_unlock(&recursive);
	CHECK(!mtx_recursed(&recursive) && mtx_owned(&recursive));
	mtx_unlock(&recursive);
	mtx_destroy(&recursive);
	return (0);
}

static int
check_sx(void)
{
	static struct sx recursive;

	CHECK(sx_try_slock(&kpi_sx) != 0);
	sx_slock(&kpi_sx);
	CHECK(sx_try_upgrade(&kpi_sx) == 0);
	sx_sunlock(&kpi_sx);
	CHECK(sx_try_upgrade(&kpi_sx) != 0 && sx_xlocked(&kpi_sx));
	CHECK(sx_try_slock(&kpi_sx) == 0);
	sx_downgrade(&kpi_sx);
	CHECK(!sx_xlocked(&kpi_sx));
	sx_unlock(&kpi_sx);
	CHECK(sx_xlock_sig(&kpi_sx) == 0 && sx_try_xlock(&kpi_sx) == 0);
	CHECK(sx_sleep(&recursive, &kpi_sx, PCATCH, "kpisx", 1) == EWOULDBLOCK);
	CHECK(sx_xlocked(&kpi_sx));
	sx_unlock(&kpi_sx);
	sx_init_flags(&recursive, "kpi recursive sx", SX_RECURSE);
	sx_xlock(&recursive);
	sx_xlock(&recursive);
	CHECK(sx_xlocked(&recursive));
	sx_xunlock(&recursive);
	CHECK(sx_xlocked(&recursive));
	sx_xunlock(&recursive);
	CHECK(!sx_xlocked(&recursive));
	sx_destroy(&recursive);
	return (0);
}

static int
check_sleep(void)
{
	struct bintime start, end;
	sbintime_t deadline;
	int before;

	CHECK(hz == 1000 && tick_sbt == SBT_1S / 1000);
	before = ticks;
	CHECK(tsleep(&before, 0, "kpislp", 3) == EWOULDBLOCK);
	CHECK(ticks - before >= 3);
	CHECK(pause("kpipau", 1) == EWOULDBLOCK);
	CHECK(pause_sbt("kpipau", sbttons(1), 0, 0) == EWOULDBLOCK);
	binuptime(&start);
	deadline = bttosbt(start) + SBT_1MS;
	CHECK(tsleep_sbt(&before, 0, "kpiabs", deadline, 0, C_ABSOLUTE) ==
	    EWOULDBLOCK);
	binuptime(&end);
	CHECK(bttosbt(end) >= deadline && bttosbt(start) > 0);
	CHECK(tsleep_sbt(&before, 0, "kpiabs", deadline, 0, C_ABSOLUTE) ==
	    EWOULDBLOCK);
	wakeup(&before);
	wakeup_one(&before);
	return (0);
}

static int
check_tunables(void)
{
	quad_t quad = -1;
	int number = -1;
	char text[4];

	CHECK(tune_int == -7 && tune_ulong == 16384);
	CHECK(strcmp(tune_str, "longer ") == 0 && tune_bool);
	CHECK(getenv_int("hw.kpi.int", &number) == 1 && number == -7);
	CHECK(getenv_int("hw.kpi.none", &number) == 0 && number == -7);
	CHECK(getenv_int("hw.kpi.str", &number) == 0 && number == -7);
	CHECK(getenv_quad("hw.kpi.ulong", &quad) == 1 && quad == 16384);
	CHECK(getenv_string("hw.kpi.ulong", text, sizeof(text)) == 1);
	CHECK(strcmp(text, "16k") == 0);
	return (0);
}

static int
check_print(void)
{

	printf("kpi: %d %s %c%c", 42, "words", 'o', 'k');
	printf(" on a line\n");
	log(LOG_INFO, "kpi: %lu logged, %jd %zu\n", 1ul, (intmax_t)-2, (size_t)3);
	return (0);
}

static void
kpi_dtor(void *arg)
{

	destroyed += *(int *)arg;
}

static int
count_priv(void *data, void *arg)
{

	*(int *)arg += *(int *)data;
	return (0);
}

static int
check_cdevpriv(void)
{
	static int one = 1, two = 2;
	void *data;
	int sum = 0;

	destroyed = 0;
	CHECK(devfs_get_cdevpriv(&data) == ENOENT);
	CHECK(devfs_set_cdevpriv(&one, kpi_dtor) == 0);
	CHECK(devfs_set_cdevpriv(&two, kpi_dtor) == EBUSY);
	CHECK(devfs_get_cdevpriv(&data) == 0 && data == &one);
	CHECK(devfs_foreach_cdevpriv(kpi_cdev, count_priv, &sum) == 0);
	CHECK(sum == 1);
	devfs_clear_cdevpriv();
	CHECK(destroyed == 1 && devfs_get_cdevpriv(&data) == ENOENT);
	CHECK(devfs_set_cdevpriv(&two, kpi_dtor) == 0);
	return (0);
}

static int
check_destroyed(void)
{

	CHECK(destroyed == 3);
	return (0);
}

static int
check_make_dev(void)
{
	struct make_dev_args args;
	struct cdev *dev;

	make_dev_args_init(&args);
	args.mda_flags = MAKEDEV_CHECKNAME | MAKEDEV_WAITOK;
	args.mda_devsw = kpi_cdev->si_devsw;
	args.mda_si_drv2 = &args;
	CHECK(make_dev_s(&args, &dev, "kpi") == EEXIST);
	CHECK(make_dev_s(&args, &dev, "a b") == EINVAL);
	CHECK(make_dev_s(&args, &dev, "a/../b") == EINVAL);
	CHECK(make_dev_s(&args, &dev, "kpi/%d/%s", 7, "x") == 0);
	CHECK(dev->si_drv2 == &args && strcmp(dev->si_name, "kpi/7/x") == 0);
	destroy_dev(dev);
	CHECK(strcmp(kpi_others[0]->si_name, "kpi.make_dev1") == 0);
	CHECK(strcmp(kpi_others[1]->si_name, "kpi.credf2") == 0);
	CHECK(strcmp(kpi_others[2]->si_name, "kpi.p3") == 0);
	return (0);
}

static const struct {
	int	(*run)(void);
	const char *name;
} checks[] = {
	{ check_strings, "strings" },
	{ check_malloc, "malloc" },
	{ check_mutex, "mutex" },
	{ check_sx, "sx" },
	{ check_sleep, "sleep" },
	{ check_tunables, "tunables" },
	{ check_print, "print" },
	{ check_cdevpriv, "cdevpriv" },
	{ check_destroyed, "destroyed" },
	{ check_make_dev, "make_dev" },
};

static void
kpi_misuse(int what)
{
	static struct sx never;
	void *p;

	switch (what) {
	case 100:
		mtx_lock(&kpi_mtx);
		tsleep(&never, 0, "kpibad", 1);
		break;
	case 101:
		mtx_lock(&kpi_mtx);
		p = malloc(1, M_KPI, M_WAITOK);
		free(p, M_KPI);
		break;
	case 102:
		sx_slock(&never);
		break;
	case 103:
		sx_init(&kpi_sx, "kpi again");
		break;
	case 104:
		free(channel, M_KPI);
		break;
	case 105:
		event_locks = 1;
		KNOTE_UNLOCKED(&kpi_sel.si_note, 0);
		break;
	case 106:
		read_locks = 1;
		break;
	case 107:
		tsleep(&never, 0, "kpibad", 0);
		break;
	case 108:
		mtx_unlock(&kpi_mtx);
		break;
	case 109:
	case 110:
	case 111:
	case 112:
		p = malloc(100, M_KPI, M_WAITOK);
		if (what == 112)
			p = malloc(ptoa(physmem) + 1, M_KPI, M_WAITOK);
		else if (what == 109)
			p = malloc(SIZE_MAX, M_KPI, M_WAITOK);
		else if (what == 110)
			p = realloc(p, SIZE_MAX, M_KPI, M_WAITOK);
		else
			p = mallocarray(SIZE_MAX, 2, M_KPI, M_WAITOK);
		free(p, M_KPI);
		break;
	}
}

static int
kpi_copy(u_long cmd, struct user_string *user)
{
	char text[32];
	int error;

	if (user->size > sizeof(text))
		return (E2BIG);
	if (cmd == KPI_XCOPY)
		error = sx_xlock_sig(&kpi_sx);
	else
		error = sx_slock_sig(&kpi_sx);
	if (error != 0)
		return (error);
	error = copyin(user->text, text, user->size);
	sx_unlock(&kpi_sx);
	return (error);
}

static int
kpi_ioctl(struct cdev *dev, u_long cmd, caddr_t data, int fflag,
    struct thread *td)
{
	struct user_string *user;
	char text[32];
	int error, n = cmd & 0xff;

	if (cmd == KPI_FIRE) {
		fired = 1;
		KNOTE_UNLOCKED(&kpi_sel.si_note, 0);
		return (0);
	}
	if (cmd == KPI_SLEEP) {
		channel = malloc(16, M_KPI, M_WAITOK);
		error = tsleep(channel, PCATCH, "kpichn", 60 * hz);
		return (error);
	}
	if (cmd == KPI_XCOPY || cmd == KPI_SCOPY)
		return (kpi_copy(cmd, (struct user_string *)data));
	if (cmd == KPI_TURN) {
		/* Reverses a string of the process. */
		user = (struct user_string *)data;
		if (user->size > sizeof(text))
			return (E2BIG);
		error = copyin(user->text, text, user->size);
		if (error != 0)
			return (error);
		for (n = 0; n < (int)user->size / 2; n++) {
			char c = text[n];

			text[n] = text[user->size - 1 - n];
			text[user->size - 1 - n] = c;
		}
		return (copyout(text, user->text, user->size));
	}
	if (cmd != _IOWR('K', n, int))
		return (ENOTTY);
	if (n >= 100)
		kpi_misuse(n);
	else if (n < (int)nitems(checks))
		*(int *)data = checks[n].run();
	else
		return (ENOTTY);
	return (0);
}

static int
kpi_read(struct cdev *dev, struct uio *uio, int ioflag)
{
	static char text[] = "kpi\n";
	int error;

	if (read_locks)
		mtx_lock(&kpi_mtx);
	error = uiomove_frombuf(text, sizeof(text) - 1, uio);
	if (read_locks)
		mtx_unlock(&kpi_mtx);
	return (error);
}

static void
kpi_detach(struct knote *kn)
{

	knlist_remove(&kpi_sel.si_note, kn, 0);
}

static int
kpi_event(struct knote *kn, long hint)
{

	if (event_locks) {
		sx_slock(&kpi_sx);
		sx_sunlock(&kpi_sx);
	}
	kn->kn_data = fired;
	return (fired);
}

/*
 * struct filterops grows within a release line.  A later kernel reads the words
 * after a table that was compiled for an earlier one, and calls nonzero ones.
 * Each table therefore has its own tail of zeroes.
 */
struct kpi_filterops {
	struct filterops fop;
	void	*tail[8];
};

static const struct kpi_filterops kpi_ops = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	kpi_detach,
		.f_event =	kpi_event,
	},
};

static int
kpi_kqfilter(struct cdev *dev, struct knote *kn)
{

	kn->kn_fop = &kpi_ops.fop;
	knlist_add(&kpi_sel.si_note, kn, 0);
	return (0);
}

static struct cdevsw kpi_cdevsw = {
	.d_version =	D_VERSION,
	.d_name =	"kpi",
	.d_ioctl =	kpi_ioctl,
	.d_read =	kpi_read,
	.d_kqfilter =	kpi_kqfilter,
};

static int
kpi_load(void)
{

	knlist_init_mtx(&kpi_sel.si_note, &kpi_mtx);
	kpi_cdev = make_dev(&kpi_cdevsw, 0, UID_ROOT, GID_WHEEL, 0600, "kpi");
	kpi_others[0] = make_dev(&kpi_cdevsw, 1, UID_ROOT, GID_WHEEL, 0600,
	    "kpi.%s%d", "make_dev", 1);
	kpi_others[1] = make_dev_credf(MAKEDEV_CHECKNAME, &kpi_cdevsw, 2, NULL,
	    UID_ROOT, GID_WHEEL, 0600, "kpi.%s%d", "credf", 2);
	return (make_dev_p(MAKEDEV_CHECKNAME, &kpi_others[2], &kpi_cdevsw, NULL,
	    UID_ROOT, GID_WHEEL, 0600, "kpi.%s%d", "p", 3));
}

static void
kpi_unload(void)
{
	int i;

	for (i = 0; i < (int)nitems(kpi_others); i++)
		destroy_dev(kpi_others[i]);
	destroy_dev(kpi_cdev);
	knlist_delete(&kpi_sel.si_note, curthread, 0);
	knlist_destroy(&kpi_sel.si_note);
	seldrain(&kpi_sel);
}

static int
kpi_modevent(module_t mod, int what, void *arg)
{

	switch (what) {
	case MOD_LOAD:
		return (kpi_load());
	case MOD_UNLOAD:
		kpi_unload();
		return (0);
	default:
		return (EOPNOTSUPP);
	}
}

DEV_MODULE(kpi, kpi_modevent, NULL);
