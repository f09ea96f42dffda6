#include "PowerCutVFS.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512

/// A write (`data` set) or a truncation to `offset` that no sync has made durable.
typedef struct change {
    sqlite3_int64 offset;
    int length;
    unsigned char *data;
    struct change *next;
} change;

typedef struct image {
    unsigned char *bytes;
    size_t size;
    size_t capacity;
} image;

/// What is known of one path.
typedef struct tracked {
    char *path;
    image durable;
    /// Whether the name survives.
    int exists;
    /// Deleted, but its folder was not synced since: the name may come back.
    int deleted;
    change *first;
    change *last;
    sqlite3_int64 unsynced;
    sqlite3_int64 syncs;
    /// Syncs that failed.
    sqlite3_int64 failures;
    struct tracked *next;
} tracked;

typedef struct powercut_file {
    sqlite3_file base;
    /// Null for temporary files, which nobody misses.
    tracked *track;
    /// The platform's file, in the bytes behind this struct.
    sqlite3_file *real;
    /// Whether the first sync is also one of the folder.
    int syncs_folder;
    /// The failures of its file that this handle has been told of.
    sqlite3_int64 failures_told;
} powercut_file;

typedef enum { OP_READ, OP_WRITE, OP_TRUNCATE, OP_DELETE, OP_SYNC, OP_OPEN } operation;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sqlite3_vfs *platform;
static sqlite3_vfs shim;
static tracked *files;
static int power_off;
static int64_t cut_countdown;
static int64_t fail_countdown;
static int failed;
static int disk_full;
static int64_t changes;

// MARK: Images

static void *checked(void *memory) {
    if (!memory) abort();
    return memory;
}

static void image_resize(image *image, size_t size) {
    if (size > image->capacity) {
        image->capacity = size * 2;
        image->bytes = checked(realloc(image->bytes, image->capacity));
    }
    if (size > image->size) memset(image->bytes + image->size, 0, size - image->size);
    image->size = size;
}

static void image_write(image *image, sqlite3_int64 offset, const unsigned char *data, size_t length) {
    if ((size_t)offset + length > image->size) image_resize(image, (size_t)offset + length);
    memcpy(image->bytes + offset, data, length);
}

static void image_apply(image *image, const change *change) {
    if (change->data)
        image_write(image, change->offset, change->data, (size_t)change->length);
    else if ((size_t)change->offset < image->size)
        image_resize(image, (size_t)change->offset);
}

// MARK: Tracking (under the mutex)

static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static int ends_with(const char *text, const char *suffix) {
    size_t length = strlen(text), end = strlen(suffix);
    return end <= length && strcmp(text + length - end, suffix) == 0;
}

static tracked *find(const char *path) {
    for (tracked *file = files; file; file = file->next)
        if (strcmp(file->path, path) == 0) return file;
    return NULL;
}

static void drop_changes(tracked *file) {
    while (file->first) {
        change *change = file->first;
        file->first = change->next;
        free(change->data);
        free(change);
    }
    file->last = NULL;
    file->unsynced = 0;
}

static void record(tracked *file, sqlite3_int64 offset, const void *data, int length) {
    change *added = checked(calloc(1, sizeof(change)));
    added->offset = offset;
    added->length = length;
    if (data) {
        added->data = checked(malloc((size_t)length + 1));
        memcpy(added->data, data, (size_t)length);
    }
    if (file->last)
        file->last->next = added;
    else
        file->first = added;
    file->last = added;
    if (data) file->unsynced++;
}

/// Syncing the folder makes all deletions in it durable. The platform's VFS does that at the first sync of a journal or
/// write-ahead log that it has opened.
static void sync_folder(void) {
    for (tracked *file = files; file; file = file->next) {
        if (!file->deleted) continue;
        drop_changes(file);
        image_resize(&file->durable, 0);
        file->exists = 0;
        file->deleted = 0;
    }
}

/// Takes what is on the disk when a path is first seen for durable.
static tracked *track(const char *path, int existed, sqlite3_file *real) {
    tracked *file = find(path);
    if (file) return file;
    file = checked(calloc(1, sizeof(tracked)));
    file->path = checked(strdup(path));
    file->exists = existed;
    sqlite3_int64 size = 0;
    if (existed && real->pMethods->xFileSize(real, &size) == SQLITE_OK && size > 0) {
        image_resize(&file->durable, (size_t)size);
        if (real->pMethods->xRead(real, file->durable.bytes, (int)size, 0) != SQLITE_OK) abort();
    }
    file->next = files;
    files = file;
    return file;
}

static int failure_code(operation kind) {
    switch (kind) {
    case OP_READ: return SQLITE_IOERR_READ;
    case OP_WRITE: return SQLITE_IOERR_WRITE;
    case OP_TRUNCATE: return SQLITE_IOERR_TRUNCATE;
    case OP_DELETE: return SQLITE_IOERR_DELETE;
    case OP_SYNC: return SQLITE_IOERR_FSYNC;
    default: return SQLITE_CANTOPEN;
    }
}

/// Whether an operation may take place.
static int gate(operation kind) {
    if (power_off) return failure_code(kind);
    if (kind != OP_READ && kind != OP_OPEN) {
        changes++;
        if (cut_countdown > 0 && --cut_countdown == 0) {
            power_off = 1;
            return failure_code(kind);
        }
    }
    if (kind == OP_WRITE && disk_full) return SQLITE_FULL;
    if (fail_countdown > 0 && --fail_countdown == 0) {
        failed = 1;
        return failure_code(kind);
    }
    return SQLITE_OK;
}

// MARK: Files

static int file_close(sqlite3_file *base) {
    powercut_file *file = (powercut_file *)base;
    return file->real->pMethods ? file->real->pMethods->xClose(file->real) : SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *buffer, int length, sqlite3_int64 offset) {
    powercut_file *file = (powercut_file *)base;
    pthread_mutex_lock(&mutex);
    int code = gate(OP_READ);
    if (code == SQLITE_OK) code = file->real->pMethods->xRead(file->real, buffer, length, offset);
    pthread_mutex_unlock(&mutex);
    return code;
}

static int file_write(sqlite3_file *base, const void *data, int length, sqlite3_int64 offset) {
    powercut_file *file = (powercut_file *)base;
    pthread_mutex_lock(&mutex);
    int was_on = !power_off;
    int code = gate(OP_WRITE);
    // The write that the power fails in may have reached the disk in part.
    if (file->track && was_on && (code == SQLITE_OK || power_off)) record(file->track, offset, data, length);
    if (code == SQLITE_OK) code = file->real->pMethods->xWrite(file->real, data, length, offset);
    pthread_mutex_unlock(&mutex);
    return code;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size) {
    powercut_file *file = (powercut_file *)base;
    pthread_mutex_lock(&mutex);
    int code = gate(OP_TRUNCATE);
    if (file->track && code == SQLITE_OK) record(file->track, size, NULL, 0);
    if (code == SQLITE_OK) code = file->real->pMethods->xTruncate(file->real, size);
    pthread_mutex_unlock(&mutex);
    return code;
}

/// The disk itself is not asked: the image is the disk.
static int file_sync(sqlite3_file *base, int flags) {
    (void)flags;
    powercut_file *file = (powercut_file *)base;
    pthread_mutex_lock(&mutex);
    int code = gate(OP_SYNC);
    if (file->track && !power_off) {
        if (code == SQLITE_OK) {
            for (change *change = file->track->first; change; change = change->next)
                image_apply(&file->track->durable, change);
            file->track->exists = 1;
            file->track->syncs++;
            if (file->syncs_folder) sync_folder();
            file->syncs_folder = 0;
            // Another handle's failure may have lost what this one wrote before.
            if (file->failures_told != file->track->failures) code = SQLITE_IOERR_FSYNC;
        } else {
            file->track->failures++;
        }
        file->failures_told = file->track->failures;
        drop_changes(file->track);
    }
    pthread_mutex_unlock(&mutex);
    return code;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size) {
    powercut_file *file = (powercut_file *)base;
    return file->real->pMethods->xFileSize(file->real, size);
}

static int file_lock(sqlite3_file *base, int lock) {
    powercut_file *file = (powercut_file *)base;
    return file->real->pMethods->xLock(file->real, lock);
}

static int file_unlock(sqlite3_file *base, int lock) {
    powercut_file *file = (powercut_file *)base;
    return file->real->pMethods->xUnlock(file->real, lock);
}

static int file_check_reserved(sqlite3_file *base, int *result) {
    powercut_file *file = (powercut_file *)base;
    return file->real->pMethods->xCheckReservedLock(file->real, result);
}

static int file_control(sqlite3_file *base, int operation, void *argument) {
    powercut_file *file = (powercut_file *)base;
    int code = file->real->pMethods->xFileControl(file->real, operation, argument);
    if (operation == SQLITE_FCNTL_VFSNAME && code == SQLITE_OK)
        *(char **)argument = sqlite3_mprintf("%s/%z", shim.zName, *(char **)argument);
    return code;
}

static int file_sector_size(sqlite3_file *base) {
    powercut_file *file = (powercut_file *)base;
    return file->real->pMethods->xSectorSize(file->real);
}

static int file_characteristics(sqlite3_file *base) {
    powercut_file *file = (powercut_file *)base;
    return file->real->pMethods->xDeviceCharacteristics(file->real);
}

static int file_shm_map(sqlite3_file *base, int page, int size, int extend, void volatile **memory) {
    powercut_file *file = (powercut_file *)base;
    return file->real->pMethods->xShmMap(file->real, page, size, extend, memory);
}

static int file_shm_lock(sqlite3_file *base, int offset, int count, int flags) {
    powercut_file *file = (powercut_file *)base;
    return file->real->pMethods->xShmLock(file->real, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *base) {
    powercut_file *file = (powercut_file *)base;
    file->real->pMethods->xShmBarrier(file->real);
}

static int file_shm_unmap(sqlite3_file *base, int delete_file) {
    powercut_file *file = (powercut_file *)base;
    return file->real->pMethods->xShmUnmap(file->real, delete_file);
}

/// Version 2: no memory-mapped reads, which would pass by the shim.
static const sqlite3_io_methods methods = {
    2, file_close, file_read, file_write, file_truncate, file_sync, file_size, file_lock, file_unlock,
    file_check_reserved, file_control, file_sector_size, file_characteristics, file_shm_map, file_shm_lock,
    file_shm_barrier, file_shm_unmap, NULL, NULL,
};

// MARK: The VFS

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *base, int flags, int *flags_out) {
    (void)vfs;
    powercut_file *file = (powercut_file *)base;
    memset(file, 0, sizeof(*file));
    file->real = (sqlite3_file *)(file + 1);
    int followed = flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL);
    pthread_mutex_lock(&mutex);
    int existed = 0;
    if (path) platform->xAccess(platform, path, SQLITE_ACCESS_EXISTS, &existed);
    int code = gate(OP_OPEN);
    if (code == SQLITE_OK) code = platform->xOpen(platform, path, file->real, flags, flags_out);
    if (code == SQLITE_OK) {
        if (path && followed) file->track = track(path, existed, file->real);
        if (file->track) {
            file->track->deleted = 0;
            file->failures_told = file->track->failures;
        }
        file->syncs_folder = (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) && (flags & SQLITE_OPEN_CREATE);
        file->base.pMethods = &methods;
    }
    pthread_mutex_unlock(&mutex);
    return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int durably) {
    (void)vfs;
    pthread_mutex_lock(&mutex);
    int code = gate(OP_DELETE);
    if (code == SQLITE_OK) code = platform->xDelete(platform, path, durably);
    tracked *file = find(path);
    if (code == SQLITE_OK && file) {
        // What is written to a new file of that name goes to nothing that was there before.
        record(file, 0, NULL, 0);
        file->deleted = 1;
        if (durably) sync_folder();
    }
    pthread_mutex_unlock(&mutex);
    return code;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *result) {
    (void)vfs;
    return platform->xAccess(platform, path, flags, result);
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *path, int length, char *full) {
    (void)vfs;
    return platform->xFullPathname(platform, path, length, full);
}

int powercut_register(const char *name) {
    if (platform) return SQLITE_OK;
    int code = sqlite3_initialize();
    if (code != SQLITE_OK) return code;
    platform = sqlite3_vfs_find(NULL);
    shim = *platform;
    shim.pNext = NULL;
    shim.zName = checked(strdup(name));
    shim.szOsFile = (int)sizeof(powercut_file) + platform->szOsFile;
    shim.xOpen = vfs_open;
    shim.xDelete = vfs_delete;
    shim.xAccess = vfs_access;
    shim.xFullPathname = vfs_full_pathname;
    return sqlite3_vfs_register(&shim, 0);
}

// MARK: Control

void powercut_reset(void) {
    pthread_mutex_lock(&mutex);
    while (files) {
        tracked *file = files;
        files = file->next;
        drop_changes(file);
        free(file->durable.bytes);
        free(file->path);
        free(file);
    }
    power_off = 0;
    cut_countdown = 0;
    fail_countdown = 0;
    failed = 0;
    disk_full = 0;
    changes = 0;
    pthread_mutex_unlock(&mutex);
}

void powercut_after(int64_t count) {
    pthread_mutex_lock(&mutex);
    cut_countdown = count;
    if (count == 0) power_off = 1;
    pthread_mutex_unlock(&mutex);
}

int powercut_is_off(void) {
    pthread_mutex_lock(&mutex);
    int result = power_off;
    pthread_mutex_unlock(&mutex);
    return result;
}

/// Applies a change whole, not at all, or in some of its sectors.
static void apply_part(image *image, const change *change, uint64_t *random) {
    uint64_t choice = next_random(random) % 4;
    if (choice == 0) return;
    if (choice == 1 || !change->data) return image_apply(image, change);
    sqlite3_int64 offset = change->offset, end = change->offset + change->length;
    while (offset < end) {
        sqlite3_int64 sector_end = (offset / SECTOR + 1) * SECTOR;
        sqlite3_int64 stop = sector_end < end ? sector_end : end;
        if (next_random(random) & 1)
            image_write(image, offset, change->data + (offset - change->offset), (size_t)(stop - offset));
        offset = stop;
    }
}

static int write_image(const tracked *file) {
    int descriptor = open(file->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor < 0) return -1;
    size_t written = 0;
    while (written < file->durable.size) {
        ssize_t count = write(descriptor, file->durable.bytes + written, file->durable.size - written);
        if (count <= 0) break;
        written += (size_t)count;
    }
    close(descriptor);
    return written == file->durable.size ? 0 : -1;
}

/// The shared memory of the write-ahead log is memory: it is gone.
static void remove_shared_memory(const char *path) {
    char *name = sqlite3_mprintf("%s-shm", path);
    if (name) unlink(name);
    sqlite3_free(name);
}

int powercut_restore(powercut_mode mode, uint64_t seed) {
    int result = 0;
    uint64_t random = seed;
    pthread_mutex_lock(&mutex);
    for (tracked *file = files; file; file = file->next) {
        for (change *change = file->first; change; change = change->next) {
            if (mode == POWERCUT_KEEP) image_apply(&file->durable, change);
            if (mode == POWERCUT_SUBSET) apply_part(&file->durable, change, &random);
        }
        int survives = file->exists || (mode == POWERCUT_KEEP) || (mode == POWERCUT_SUBSET && (next_random(&random) & 1));
        if (survives) {
            if (write_image(file) != 0) result = -1;
        } else {
            unlink(file->path);
        }
        remove_shared_memory(file->path);
    }
    pthread_mutex_unlock(&mutex);
    powercut_reset();
    return result;
}

void powercut_fail_io(int64_t count) {
    pthread_mutex_lock(&mutex);
    fail_countdown = count;
    failed = 0;
    pthread_mutex_unlock(&mutex);
}

int powercut_has_failed(void) {
    pthread_mutex_lock(&mutex);
    int result = failed;
    pthread_mutex_unlock(&mutex);
    return result;
}

void powercut_set_full(int full) {
    pthread_mutex_lock(&mutex);
    disk_full = full;
    pthread_mutex_unlock(&mutex);
}

int64_t powercut_changes(void) {
    pthread_mutex_lock(&mutex);
    int64_t result = changes;
    pthread_mutex_unlock(&mutex);
    return result;
}

int64_t powercut_syncs(const char *suffix) {
    int64_t result = 0;
    pthread_mutex_lock(&mutex);
    for (tracked *file = files; file; file = file->next)
        if (ends_with(file->path, suffix)) result += file->syncs;
    pthread_mutex_unlock(&mutex);
    return result;
}

int64_t powercut_unsynced(const char *suffix) {
    int64_t result = 0;
    pthread_mutex_lock(&mutex);
    for (tracked *file = files; file; file = file->next)
        if (ends_with(file->path, suffix)) result += file->unsynced;
    pthread_mutex_unlock(&mutex);
    return result;
}
