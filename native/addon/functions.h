// Every native function that src/native.ts calls, by the name of the file that defines it. Signatures in JavaScript
// terms are in src/native.ts, the only caller.
#pragma once

#include <node_api.h>

namespace crabkv::addon {

// lifecycle.cc
napi_value Open(napi_env env, napi_callback_info info);
napi_value Close(napi_env env, napi_callback_info info);

// writes.cc
napi_value Put(napi_env env, napi_callback_info info);
napi_value PutRow(napi_env env, napi_callback_info info);
napi_value Delete(napi_env env, napi_callback_info info);
napi_value Expire(napi_env env, napi_callback_info info);
napi_value Kick(napi_env env, napi_callback_info info);
napi_value RequestDurable(napi_env env, napi_callback_info info);
napi_value Rollbacks(napi_env env, napi_callback_info info);
napi_value TakenBackGroups(napi_env env, napi_callback_info info);

// batches.cc
napi_value WriteBatch(napi_env env, napi_callback_info info);
napi_value WriteBatchCold(napi_env env, napi_callback_info info);
napi_value PutEach(napi_env env, napi_callback_info info);

// reads.cc
napi_value GetText(napi_env env, napi_callback_info info);
napi_value GetBytes(napi_env env, napi_callback_info info);
napi_value TakeRead(napi_env env, napi_callback_info info);
napi_value GetMany(napi_env env, napi_callback_info info);
napi_value Has(napi_env env, napi_callback_info info);
napi_value HasMany(napi_env env, napi_callback_info info);
napi_value Ttl(napi_env env, napi_callback_info info);

// cold_reads.cc
napi_value GetCold(napi_env env, napi_callback_info info);
napi_value GetManyCold(napi_env env, napi_callback_info info);

// expiry.cc
napi_value NextDeadline(napi_env env, napi_callback_info info);
napi_value RemoveExpired(napi_env env, napi_callback_info info);

// compaction.cc
napi_value Compact(napi_env env, napi_callback_info info);
napi_value CancelRequest(napi_env env, napi_callback_info info);

// backup.cc
napi_value BackUp(napi_env env, napi_callback_info info);

// verification.cc
napi_value Verify(napi_env env, napi_callback_info info);
napi_value RepairStore(napi_env env, napi_callback_info info);
napi_value RestoreStore(napi_env env, napi_callback_info info);
napi_value CancelTask(napi_env env, napi_callback_info info);

// shards.cc
napi_value ShardOf(napi_env env, napi_callback_info info);
napi_value ReportSlots(napi_env env, napi_callback_info info);
napi_value MoveSlot(napi_env env, napi_callback_info info);

// scans.cc
napi_value ScanOpen(napi_env env, napi_callback_info info);
napi_value FeedOpen(napi_env env, napi_callback_info info);
napi_value FeedWait(napi_env env, napi_callback_info info);
napi_value ScanNext(napi_env env, napi_callback_info info);
napi_value ScanEnd(napi_env env, napi_callback_info info);

// servers.cc
napi_value ServerOpen(napi_env env, napi_callback_info info);
napi_value ServerPause(napi_env env, napi_callback_info info);
napi_value ServerCounts(napi_env env, napi_callback_info info);
napi_value ServerResetCounts(napi_env env, napi_callback_info info);
napi_value ServerHook(napi_env env, napi_callback_info info);
napi_value ServerNotify(napi_env env, napi_callback_info info);
napi_value MatchesPattern(napi_env env, napi_callback_info info);
napi_value PrintReplies(napi_env env, napi_callback_info info);
napi_value DescribeCommands(napi_env env, napi_callback_info info);

// sessions.cc
napi_value SessionOpen(napi_env env, napi_callback_info info);
napi_value SessionFeed(napi_env env, napi_callback_info info);
napi_value SessionResume(napi_env env, napi_callback_info info);
napi_value SessionAnswer(napi_env env, napi_callback_info info);
napi_value SessionProceed(napi_env env, napi_callback_info info);
napi_value SessionTake(napi_env env, napi_callback_info info);
napi_value SessionArguments(napi_env env, napi_callback_info info);
napi_value SessionTakeNotifications(napi_env env, napi_callback_info info);
napi_value SessionQueued(napi_env env, napi_callback_info info);
napi_value SessionReplace(napi_env env, napi_callback_info info);
napi_value SessionRunJob(napi_env env, napi_callback_info info);
napi_value SessionSet(napi_env env, napi_callback_info info);
napi_value SessionEnd(napi_env env, napi_callback_info info);

// inspect.cc
napi_value Stats(napi_env env, napi_callback_info info);
napi_value Failure(napi_env env, napi_callback_info info);
napi_value ChangeCountersOf(napi_env env, napi_callback_info info);
napi_value DumpSegment(napi_env env, napi_callback_info info);

}  // namespace crabkv::addon
