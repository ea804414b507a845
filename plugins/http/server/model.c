/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "model.h"

mk_result
model_init(struct model *m)
{
	pthread_rwlockattr_t attr;
	int failed;

	for (uint32_t i = 0; i < MODEL_PARTS; i++)
		atomic_init(&m->version[i], 1);
	if (pthread_rwlockattr_init(&attr) != 0)
		return MK_ENOMEM;
	/* The default lets readers pass a writer that waits, for ever if there are enough of them. */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	failed = pthread_rwlock_init(&m->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return failed == 0 ? MK_OK : MK_ENOMEM;
}

void
model_fini(struct model *m)
{
	pthread_rwlock_destroy(&m->lock);
}

void
model_read(struct model *m)
{
	pthread_rwlock_rdlock(&m->lock);
}

void
model_read_end(struct model *m)
{
	pthread_rwlock_unlock(&m->lock);
}

void
model_write(struct model *m)
{
	pthread_rwlock_wrlock(&m->lock);
}

void
model_write_end(struct model *m, uint32_t parts)
{
	for (uint32_t i = 0; i < MODEL_PARTS; i++)
		if ((parts >> i & 1) != 0)
			atomic_fetch_add(&m->version[i], 1);
	pthread_rwlock_unlock(&m->lock);
}

uint64_t
model_version(const struct model *m, uint32_t parts)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < MODEL_PARTS; i++)
		if ((parts >> i & 1) != 0)
			sum += atomic_load(&m->version[i]);
	return sum;
}
