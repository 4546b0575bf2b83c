/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * filters.c with knote_triv_copy(9), which only kernels from 15.1 on have.
 */

#define	FILTERS_TRIV_COPY
#include "filters.c"
