/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * /dev/hungmap is memory whose page faults do not end, like those of a mapped
 * file whose server has stopped.
 *
 * The device repeats its HUNGMAP_PAGES pages of memory.  Page N of a mapping is
 * page N modulo HUNGMAP_PAGES of the memory.  The first HUNGMAP_PAGES pages are
 * always present.  While the device is armed, a fault on any later page sleeps
 * on the wait channel "hungpg", and cannot be interrupted.  write(2) of "1" arms
 * the device.  write(2) of "0" ends every fault.
 *
 * d_mmap is called at the first fault on a page.  It may sleep there, because
 * the pager calls it without the lock of the object, and the map is not locked.
 * The kernel also calls it at mmap(2), where it must not sleep.  The protection
 * distinguishes the two.  It is always PROT_READ for a fault, and that of the
 * mapping for mmap(2).  A mapping must therefore be writable.
 *
 * The module may be unloaded only while there is no mapping.
 */

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/conf.h>
#include <sys/kernel.h>
#include <sys/lock.h>
#include <sys/malloc.h>
#include <sys/mman.h>
#include <sys/module.h>
#include <sys/mutex.h>
#include <sys/uio.h>

#include <vm/vm.h>
#include <vm/pmap.h>

#define	HUNGMAP_PAGES	64

static d_write_t	hungmap_write;
static d_mmap_t		hungmap_mmap;

static struct cdevsw hungmap_cdevsw = {
	.d_version =	D_VERSION,
	.d_name =	"hungmap",
	.d_write =	hungmap_write,
	.d_mmap =	hungmap_mmap,
};

static struct mtx	hungmap_lock;
static struct cdev	*hungmap_dev;
static char		*hungmap_memory;
static int		hungmap_armed;

static void
hungmap_arm(int armed)
{

	mtx_lock(&hungmap_lock);
	hungmap_armed = armed;
	wakeup(&hungmap_armed);
	mtx_unlock(&hungmap_lock);
}

static int
hungmap_write(struct cdev *dev, struct uio *uio, int ioflag)
{
	char order;
	int error;

	error = uiomove(&order, 1, uio);
	if (error != 0)
		return (error);
	if (order != '0' && order != '1')
		return (EINVAL);
	hungmap_arm(order == '1');
	return (0);
}

static int
hungmap_mmap(struct cdev *dev, vm_ooffset_t offset, vm_paddr_t *paddr,
    int nprot, vm_memattr_t *memattr)
{
	vm_ooffset_t page;

	page = atop(offset);
	if (page >= HUNGMAP_PAGES && (nprot & PROT_WRITE) == 0) {
		mtx_lock(&hungmap_lock);
		while (hungmap_armed)
			msleep(&hungmap_armed, &hungmap_lock, 0, "hungpg", 0);
		mtx_unlock(&hungmap_lock);
	}
	*paddr = vtophys(hungmap_memory + ptoa(page % HUNGMAP_PAGES));
	return (0);
}

static int
hungmap_load(void)
{
	struct make_dev_args args;
	int error;

	mtx_init(&hungmap_lock, "hungmap", NULL, MTX_DEF);
	/* A size of a page and more is allocated in whole pages. */
	hungmap_memory = malloc(ptoa(HUNGMAP_PAGES), M_DEVBUF, M_WAITOK | M_ZERO);
	make_dev_args_init(&args);
	args.mda_flags = MAKEDEV_WAITOK | MAKEDEV_CHECKNAME;
	args.mda_devsw = &hungmap_cdevsw;
	args.mda_mode = 0600;
	error = make_dev_s(&args, &hungmap_dev, "hungmap");
	if (error != 0) {
		free(hungmap_memory, M_DEVBUF);
		mtx_destroy(&hungmap_lock);
	}
	return (error);
}

static void
hungmap_unload(void)
{

	/* The kernel sends MOD_UNLOAD also after a MOD_LOAD that failed. */
	if (hungmap_dev == NULL)
		return;
	hungmap_arm(0);
	destroy_dev(hungmap_dev);
	free(hungmap_memory, M_DEVBUF);
	mtx_destroy(&hungmap_lock);
}

static int
hungmap_modevent(module_t mod, int what, void *arg)
{

	switch (what) {
	case MOD_LOAD:
		return (hungmap_load());
	case MOD_UNLOAD:
		hungmap_unload();
		return (0);
	default:
		return (EOPNOTSUPP);
	}
}

DEV_MODULE(hungmap, hungmap_modevent, NULL);
MODULE_VERSION(hungmap, 1);
