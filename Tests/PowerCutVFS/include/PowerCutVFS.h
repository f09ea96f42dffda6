#ifndef POWER_CUT_VFS_H
#define POWER_CUT_VFS_H

#include <stdint.h>

/// An SQLite VFS over the platform's own that knows what a power cut would take away, and can make I/O fail.
///
/// For every database, journal and write-ahead log it keeps the content as of the file's last sync and each write and
/// truncation since. Power cut: from then on every call fails, so that no open connection can tidy up; once all are
/// closed, `powercut_restore` gives each file the content that would be found when the power comes back.
///
/// The model: a sync makes everything durable that was written to its file before it, and the file's name. A failed sync
/// loses what it was to make durable, even if a later one succeeds, and every other handle that was open on the file is
/// told once, at its own next sync (as Linux does since 4.13, see lwn.net/Articles/752063 and errseq(9)). A write
/// that was not synced may be there, not be there, or be there in part, sector by sector of 512 bytes, in any order. What
/// it does not model: sectors damaged beside those written (SQLite's "powersafe overwrite" is taken for granted, as
/// its default is).
///
/// One state for the process, guarded by a mutex: tests take turns (`Turn.atThePower`), which keeps them from cutting
/// each other's power.

typedef enum {
    /// Nothing that was not synced is there.
    POWERCUT_DROP = 0,
    /// A part of it is, chosen by the seed.
    POWERCUT_SUBSET = 1,
    /// All of it is, as after a kill: no power cut at all.
    POWERCUT_KEEP = 2
} powercut_mode;

/// Registers the VFS under that name, not as the default. Once; later calls do nothing.
/// Returns SQLite's result code.
int powercut_register(const char *name);

/// Forgets all files and failures and turns the power on. No connection may be open.
void powercut_reset(void);

/// The power fails at the `count`-th write, truncation, deletion or sync from now on (which does not take place); with 0,
/// now.
void powercut_after(int64_t count);

/// Whether the power is off.
int powercut_is_off(void);

/// Gives each file the content that survives, and turns the power on. No connection may be open.
/// Returns 0, or -1 where a file could not be written.
int powercut_restore(powercut_mode mode, uint64_t seed);

/// Lets the `count`-th call from now on fail once: reads, writes, truncations, deletions, syncs and openings are counted.
/// 0: none.
void powercut_fail_io(int64_t count);

/// Whether the failure that was asked for has happened.
int powercut_has_failed(void);

/// While set, every write fails with "disk full".
void powercut_set_full(int full);

/// Writes, truncations, deletions and syncs since the reset.
int64_t powercut_changes(void);

/// Syncs of the files whose names end like that since the reset.
int64_t powercut_syncs(const char *suffix);

/// Writes to those files that no sync has made durable. (Truncations are not counted: nobody needs what they take away.)
int64_t powercut_unsynced(const char *suffix);

#endif
