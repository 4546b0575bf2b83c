#include <sys/param.h>
#include <sys/systm.h>
#include <sys/conf.h>
#include <sys/event.h>
#include <sys/kernel.h>
#include <sys/malloc.h>
#include <sys/module.h>

#include "freebsd_kernel.h"

MALLOC_DEFINE(M_EXAMPLE, "example", "/dev/example");

static struct cdevsw example_cdevsw = {
	.d_version =	D_VERSION,
	.d_flags =	D_TRACKCLOSE,
	.d_name =	"example",
	.d_open =	driver_open,
	.d_close =	driver_close,
	.d_read =	driver_read,
	.d_write =	driver_write,
	.d_ioctl =	driver_ioctl,
	.d_poll =	driver_poll,
	.d_kqfilter =	driver_kqfilter,
};

static const struct kpi_filterops example_read_filterops = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	driver_detach,
		.f_event =	driver_read_event,
	},
};

static const struct kpi_filterops example_write_filterops = {
	.fop = {
		.f_isfd =	1,
		.f_detach =	driver_detach,
		.f_event =	driver_write_event,
	},
};

const struct kpi_driver kpi_driver = {
	.name =		"example",
	.cdevsw =	&example_cdevsw,
	.malloc_type =	M_EXAMPLE,
	.read_filterops = &example_read_filterops,
	.write_filterops = &example_write_filterops,
};

DEV_MODULE(example, kpi_modevent, NULL);
MODULE_VERSION(example, 1);
