/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * /dev/filters: tables of filters, right and wrong, for the tests of kldhost.
 * The device has nothing to read or write, and only supports kqueue(2).
 *
 * _IO('F', n) selects the table of the next event:
 *
 *   n  name               the table
 *   0  FILTERS_TAIL       followed by zeroes
 *   1  FILTERS_ADJACENT   followed by another table, as a linker puts them
 *   2  FILTERS_LAST       that other table, followed by module metadata
 *   3  FILTERS_USERDUMP   has f_userdump, which sets knt_extdata to 42
 *   4  FILTERS_COPY       has f_copy, which fails with the selected error
 *   5  FILTERS_NOT_FD     has no f_isfd
 *   6  FILTERS_FREED      in memory that unload frees
 *   7  FILTERS_NOWHERE    at an address that is not mapped
 *
 * From 100 on, n - 100 is the error of f_copy.  Unload drops all knotes.
 *
 * copies.c compiles this file as another module, whose f_copy is the kernel's.
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
#include <sys/sx.h>
#include <sys/systm.h>
#include <sys/user.h>

enum {
	FILTERS_TAIL,
	FILTERS_ADJACENT,
	FILTERS_LAST,
	FILTERS_USERDUMP,
	FILTERS_COPY,
	FILTERS_NOT_FD,
	FILTERS_FREED,
	FILTERS_NOWHERE,
	FILTERS_COUNT,
};

/* struct filterops of a later release. */
struct later_filterops {
	int	f_isfd;
	int	(*f_attach)(struct knote *);
	void	(*f_detach)(struct knote *);
	int	(*f_event)(struct knote *, long);
	void	(*f_touch)(struct knote *, struct kevent *, u_long);
	int	(*f_userdump)(struct proc *, struct knote *, void *);
	int	(*f_copy)(struct knote *, struct proc *);
	void	*tail[8];
};

/* The start of struct kinfo_knote. */
struct kinfo {
	int	knt_kq_fd;
	struct kevent knt_event;
	int	knt_status;
	int	knt_extdata;
};

#if __FreeBSD_version >= 1500000
/* The same as in kldhost. */
_Static_assert(__offsetof(struct kinfo, knt_extdata) ==
    __offsetof(struct kinfo_knote, knt_extdata), "knt_extdata is elsewhere");
_Static_assert(sizeof(struct kinfo_knote) == 1160, "another kinfo_knote");
#endif

static MALLOC_DEFINE(M_FILTERS, "filters", "filters device");

static struct sx filters_sx;
static struct selinfo sel;
static struct cdev *filters_cdev;
static struct later_filterops *freed;
static int chosen, copy_error;

static void
filters_detach(struct knote *kn)
{

	knlist_remove(&sel.si_note, kn, 0);
}

static int
filters_event(struct knote *kn, long hint)
{

	return (1);
}

static int
filters_userdump(struct proc *p, struct knote *kn, void *kin)
{

	((struct kinfo *)kin)->knt_extdata = 42;
	return (0);
}

#ifdef FILTERS_TRIV_COPY
int knote_triv_copy(struct knote *, struct proc *);
#define	filters_copy	knote_triv_copy
#else
static int
filters_copy(struct knote *kn, struct proc *p)
{

	return (copy_error);
}
#endif

#define	FILTER								\
	.f_isfd =	1,						\
	.f_detach =	filters_detach,					\
	.f_event =	filters_event

static const struct later_filterops tail = { FILTER };
static const struct later_filterops userdump = {
	FILTER,
	.f_userdump =	filters_userdump,
};
static const struct later_filterops copy = {
	FILTER,
	.f_copy =	filters_copy,
};
static const struct later_filterops not_fd = {
	.f_detach =	filters_detach,
	.f_event =	filters_event,
};

/* Two tables, and the first two words of struct mod_metadata. */
static const struct {
	struct filterops tables[2];
	int	md_version;
	int	md_type;
	const void *md_data;
} adjacent = {
	.tables = { { FILTER }, { FILTER } },
	.md_version =	1,
	.md_type =	1,
	.md_data =	&filters_sx,
};

static int
filters_ioctl(struct cdev *dev, u_long cmd, caddr_t data, int fflag,
    struct thread *td)
{
	int n = cmd & 0xff;

	if (cmd != _IO('F', n))
		return (ENOTTY);
	if (n >= 100)
		copy_error = n - 100;
	else if (n < FILTERS_COUNT)
		chosen = n;
	else
		return (EINVAL);
	return (0);
}

static int
filters_kqfilter(struct cdev *dev, struct knote *kn)
{
	const void *tables[FILTERS_COUNT] = {
		[FILTERS_TAIL] =	&tail,
		[FILTERS_ADJACENT] =	&adjacent.tables[0],
		[FILTERS_LAST] =	&adjacent.tables[1],
		[FILTERS_USERDUMP] =	&userdump,
		[FILTERS_COPY] =	&copy,
		[FILTERS_NOT_FD] =	&not_fd,
		[FILTERS_FREED] =	freed,
		[FILTERS_NOWHERE] =	(void *)16,
	};

	kn->kn_fop = tables[chosen];
	knlist_add(&sel.si_note, kn, 0);
	return (0);
}

static struct cdevsw filters_cdevsw = {
	.d_version =	D_VERSION,
	.d_name =	"filters",
	.d_ioctl =	filters_ioctl,
	.d_kqfilter =	filters_kqfilter,
};

static void
filters_lock(void *arg)
{

	sx_xlock((struct sx *)arg);
}

static void
filters_unlock(void *arg)
{

	sx_xunlock((struct sx *)arg);
}

static void
filters_assert(void *arg, int what)
{

	sx_assert((struct sx *)arg, what);
}

static int
filters_modevent(module_t mod, int what, void *arg)
{

	switch (what) {
	case MOD_LOAD:
		sx_init(&filters_sx, "filters");
		knlist_init(&sel.si_note, &filters_sx, filters_lock,
		    filters_unlock, filters_assert);
		freed = malloc(sizeof(*freed), M_FILTERS, M_WAITOK);
		*freed = tail;
		filters_cdev = make_dev(&filters_cdevsw, 0, UID_ROOT, GID_WHEEL,
		    0600, "filters");
		return (0);
	case MOD_UNLOAD:
		destroy_dev(filters_cdev);
		if (chosen == FILTERS_FREED)
			free(freed, M_FILTERS);
		knlist_delete(&sel.si_note, curthread, 0);
		knlist_destroy(&sel.si_note);
		sx_destroy(&filters_sx);
		if (chosen != FILTERS_FREED)
			free(freed, M_FILTERS);
		return (0);
	default:
		return (EOPNOTSUPP);
	}
}

DEV_MODULE(filters, filters_modevent, NULL);
