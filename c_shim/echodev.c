/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The tables of echodev that the kernel reads.  The methods are in Rust: see
 * src/device.rs for what they do, and freebsd-kernel for how they are called.
 */

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/conf.h>
#include <sys/event.h>
#include <sys/kernel.h>
#include <sys/malloc.h>
#include <sys/module.h>

#include "freebsd_kernel.h"

MALLOC_DEFINE(M_ECHODEV, "echodev", "/dev/echo");

/*
 * D_TRACKCLOSE: close(2) of the last writer must wake readers at once.  The
 * destructor of the open file does the same for closes that d_close misses.
 */
static struct cdevsw echodev_cdevsw = {
	.d_version =	D_VERSION,
	.d_flags =	D_TRACKCLOSE,
	.d_name =	"echo",
	.d_open =	driver_open,
	.d_close =	driver_close,
	.d_read =	driver_read,
	.d_write =	driver_write,
	.d_ioctl =	driver_ioctl,
	.d_poll =	driver_poll,
	.d_kqfilter =	driver_kqfilter,
};

/* f_copy: with KQUEUE_CPONFORK, a child process gets a copy of the knotes. */
static const struct kpi_filterops echodev_read_filterops = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	driver_detach,
		.f_event =	driver_read_event,
#ifdef KQUEUE_CPONFORK
		.f_copy =	knote_triv_copy,
#endif
	},
};

static const struct kpi_filterops echodev_write_filterops = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	driver_detach,
		.f_event =	driver_write_event,
#ifdef KQUEUE_CPONFORK
		.f_copy =	knote_triv_copy,
#endif
	},
};

const struct kpi_driver kpi_driver = {
	.name =		"echodev",
	.cdevsw =	&echodev_cdevsw,
	.malloc_type =	M_ECHODEV,
	.read_filterops = &echodev_read_filterops,
	.write_filterops = &echodev_write_filterops,
};

DEV_MODULE(echodev, kpi_modevent, NULL);
MODULE_VERSION(echodev, 1);
