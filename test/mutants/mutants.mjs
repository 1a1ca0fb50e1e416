// The mutants: what each breaks, where, and the native tests of which one must fail. See run.mjs.
//
//   name        what it breaks
//   file        the one that it changes
//   find        its anchor: found exactly once
//   replace     what stands there then
//   tests       parts of the names of tests

export const mutants = [
  {
    name: "an acknowledged write is not synced",
    file: "native/core/log_writer.cc",
    find: "const Status status = TimedSync(segment);",
    replace: "const Status status = segment != nullptr ? Status::Ok() : failure();",
    tests: ["Acknowledged_writes_survive_a_power_cut"],
  },
  {
    name: "a failed sync is tried again",
    file: "native/core/log_writer.cc",
    find: "const Status status = TimedSync(segment);",
    replace: "Status status = TimedSync(segment);\n  if (!status.ok()) status = TimedSync(segment);",
    tests: ["A_failed_sync_is_not_retried"],
  },
  {
    name: "the directory of a new segment is not synced",
    file: "native/core/segment.cc",
    find: "if (status.ok()) status = env->SyncDirectory(directory);",
    replace: "",
    tests: ["Acknowledged_writes_survive_a_power_cut"],
  },
  {
    name: "the directory of a new MANIFEST is not synced",
    file: "native/core/manifest.cc",
    find: "return env->SyncDirectory(directory);",
    replace: "return Status::Ok();",
    tests: ["A_store_that_was_idle_after_a_failed_write"],
  },
  {
    name: "writes are acknowledged before they are synced",
    file: "native/core/log_writer.cc",
    find: "if (status.ok() && sync_ == SyncMode::kAlways) status = SyncInline(group->segment);",
    replace:
      "AnnounceAcknowledged(group->number.load());\n" +
      "  if (status.ok() && sync_ == SyncMode::kAlways) status = SyncInline(group->segment);",
    tests: ["A_write_is_acknowledged_only_when_its_sync_has_returned"],
  },
  {
    name: "the writer looks whether to end after it has looked for a group",
    file: "native/core/log_writer.cc",
    find: "if (stopping) return nullptr;",
    replace:
      "std::this_thread::sleep_for(std::chrono::milliseconds(5));\n" +
      "    if (stopping || stopping_.load()) return nullptr;",
    tests: ["What_is_put_just_before_the_store_is_closed"],
  },
  {
    name: "recovery ignores the durable mark and cuts",
    file: "native/core/recovery.cc",
    find: "const uint64_t missing = end_.lsn + 1;",
    replace: "if (!why.empty()) return Status::Ok();\n  const uint64_t missing = end_.lsn + 1;",
    tests: ["A_log_cut_at_any_byte"],
  },
  {
    name: "recovery believes the page cache",
    file: "native/core/recovery.cc",
    find: "manifest->clean ? ResumeClean(result) : Rewrite(result)",
    replace: "end_.lsn != 0 ? ResumeClean(result) : Rewrite(result)",
    tests: ["Reopening_after_a_failed_sync_does_not_believe"],
  },
  {
    name: "recovery does not sync what it wrote again",
    file: "native/core/recovery_rewrite.cc",
    find: "CRABKV_RETURN_IF_ERROR(copy.Finish());",
    replace: "",
    tests: ["Reopening_after_a_failed_sync_does_not_believe"],
  },
  {
    name: "a batch is broken in two",
    file: "native/core/store_write.cc",
    find: "  std::vector<Prepared> prepared(count);",
    replace:
      "  if (count > 1) {\n" +
      "    CRABKV_RETURN_IF_ERROR(Write(operations, count / 2, wait, commit));\n" +
      "    if (!commit->committed) return Status::Ok();\n" +
      "    operations += count / 2;\n" +
      "    count -= count / 2;\n" +
      "  }\n" +
      "  std::vector<Prepared> prepared(count);",
    tests: ["Transfers_by_many_threads", "Whatever_ends_a_life"],
  },
  {
    name: "a read does not check the record's CRC",
    file: "native/core/record_reader.cc",
    find: "!CheckCopy(copy, segment.salt) ||",
    replace: "(!CheckCopy(copy, segment.salt) && copy.header.lsn == 0) ||",
    tests: ["A_record_damaged_under_an_open_store"],
  },
  {
    name: "recovery does not check the records of a frame",
    file: "native/core/frame_reader.cc",
    find: 'if (!CheckRecord(record, payload.data() + at, salt)) return "a record fails its CRC";',
    replace: "if (salt == 0) return nullptr;",
    tests: ["A_log_with_any_bit_flipped"],
  },
  {
    name: "changes are undone oldest first",
    file: "native/core/index.cc",
    find:
      "  while (!newest.empty()) {\n" +
      "    const uint32_t shard = newest.top().second;\n" +
      "    newest.pop();\n" +
      "    Undo(shards_[shard].undo.back());\n" +
      "    shards_[shard].undo.PopBack();\n" +
      "    add(shard);\n" +
      "  }",
    replace:
      "  std::vector<UndoEntry> changes;\n" +
      "  while (!newest.empty()) {\n" +
      "    const uint32_t shard = newest.top().second;\n" +
      "    newest.pop();\n" +
      "    changes.push_back(shards_[shard].undo.back());\n" +
      "    shards_[shard].undo.PopBack();\n" +
      "    add(shard);\n" +
      "  }\n" +
      "  for (auto change = changes.rbegin(); change != changes.rend(); ++change) Undo(*change);",
    tests: ["A_scan_begun_before_a_write_failed"],
  },
  {
    name: "LSNs that were undone count as written",
    file: "native/core/log_writer.cc",
    find: "records == 0 ? last_lsn() : group->base_lsn + records - 1",
    replace: "group->base_lsn + records - 1",
    tests: ["A_store_that_ends_idle_after_a_failed_write"],
  },
  {
    name: "a watermark swallows the mark that LSNs were skipped",
    file: "native/core/group_queue.cc",
    find: "if (Group::RecordsOf(state) == 0 && group->skips_lsns) next_skips_ = true;",
    replace: "",
    tests: ["A_store_that_was_idle_after_a_failed_write"],
  },
  {
    name: "a failed write is cut off, and that is not synced",
    file: "native/core/log_writer.cc",
    find: "CRABKV_RETURN_IF_ERROR(TimedSync(appender_.end().segment));",
    replace: "",
    tests: ["A_write_that_failed_does_not_come_back"],
  },
  {
    name: "a file is synced again though a sync failed meanwhile",
    file: "native/core/log_writer.cc",
    find: "  CRABKV_RETURN_IF_ERROR(failure());\n  CRABKV_RETURN_IF_ERROR(TimedSync",
    replace: "  CRABKV_RETURN_IF_ERROR(TimedSync",
    tests: ["A_sync_that_fails_while_a_failed_write_is_taken_back"],
  },
  {
    name: "a group that was just written counts as empty",
    file: "native/core/group_queue.cc",
    find: "if (group.number.load(std::memory_order_acquire) != number) return false;",
    replace: "if (group.number.load(std::memory_order_acquire) != number) return true;",
    tests: ["Nothing_is_called_durable"],
  },
  {
    name: "a hint of another salt is accepted",
    file: "native/core/hint_format.cc",
    find: "  if (identity.kind != expected.kind || identity.number != expected.number || identity.salt != expected.salt) {",
    replace: "  if (identity.kind != expected.kind || identity.number != expected.number) {",
    tests: ["A_hint_of_another_salt"],
  },
  {
    name: "a hint's blocks are not checked",
    file: "native/core/hint_loader.cc",
    find: "!= described.crc) {",
    replace: "== described.crc + 1) {",
    tests: ["A_hint_that_is_missing_cut_short_or_flipped"],
  },
  {
    name: "a segment that is not proven durable is taken by its hint",
    file: "native/core/recovery_hints.cc",
    find: "*unproven = summary.last_lsn() > durable_lsn_ && summary.last_lsn() > ProvenLsn();",
    replace: "*unproven = summary.last_lsn() == 0 && summary.last_lsn() > ProvenLsn();",
    tests: ["What_an_opening_shows_of_a_segment_with_a_hint"],
  },
  {
    name: "a hint has no tombstones",
    file: "native/core/hint_loader.cc",
    find: "filler->Erase(entry.fingerprint);",
    replace: "continue;",
    tests: ["The_index_from_hints"],
  },
  {
    name: "a hint forgets deadlines that were changed without a put",
    file: "native/core/hint_loader.cc",
    find: "filler->SetDeadline(entry.fingerprint, deadline_ms);",
    replace: "continue;",
    tests: ["The_index_from_hints"],
  },
  {
    name: "hints are loaded before what was read",
    file: "native/core/recovery_hints.cc",
    find: "  FinishReplay();\n",
    replace: "",
    tests: ["An_unclean_end_leaves_the_same", "A_hint_that_is_missing"],
  },
  {
    name: "a compaction drops a tombstone early",
    file: "native/core/compaction_copy.cc",
    find: "return !current && record->lsn > horizon_below_;",
    replace: "return false;",
    tests: ["A_tombstone_stays"],
  },
  {
    name: "a compaction ignores the horizon",
    file: "native/core/compaction.cc",
    find: "segment->compacted == nullptr ? 0 : segment->compacted->horizon;",
    replace: "segment->compacted == nullptr ? 0 : UINT64_MAX;",
    tests: ["A_horizon_that_is_older"],
  },
  {
    name: "a compaction drops an expired put",
    file: "native/core/compaction_copy.cc",
    find: "      return true;\n    case RecordType::kDelete:",
    replace:
      "      return record->expires_at_ms == 0 || record->expires_at_ms > target_.env->WallMs();\n" +
      "    case RecordType::kDelete:",
    tests: ["A_put_without_deadline_does_not_come_back"],
  },
  {
    name: "a compaction drops a change of deadline early",
    file: "native/core/compaction_copy.cc",
    find: "  return put < here && put.rank < first_;",
    replace: "  return put < here && put.rank == SIZE_MAX;",
    tests: ["A_change_of_deadline_stays"],
  },
  {
    name: "a compaction does not sync what it relied on",
    file: "native/core/compaction.cc",
    find: "  CRABKV_RETURN_IF_ERROR(target_.log->RequestDurable(&group));\n",
    replace: "",
    tests: ["A_machine_that_stops_at_any_call_of_a_compaction"],
  },
  {
    name: "a compaction removes its inputs before the MANIFEST is replaced",
    file: "native/core/compaction.cc",
    find: "  CRABKV_RETURN_IF_ERROR(Commit(broken));\n",
    replace: "  RemoveFiles();\n  CRABKV_RETURN_IF_ERROR(Commit(broken));\n",
    tests: ["A_machine_that_stops_at_any_call_of_a_compaction"],
  },
  {
    name: "a compaction installs without looking whether the key has changed",
    file: "native/core/index.cc",
    find: "if (current.SameRecord(from)) Set(hash, to, DeadlineOf(hash, current));",
    replace: "if (current || from) Set(hash, to, DeadlineOf(hash, current));",
    tests: ["A_key_that_is_written_while_its_old_value_is_copied"],
  },
  {
    name: "a guarded put is taken for a plain one",
    file: "native/core/store_write.cc",
    find: "operation.guard == Guard::kNone && !operation.keep_expiry",
    replace: "!operation.keep_expiry",
    tests: ["A_guard_holds_exactly"],
  },
  {
    name: "what an undo restores has no deadline",
    file: "native/core/index.cc",
    find: "entry.previous_deadline_ms = previous.deadline_ms;",
    replace: "entry.previous_deadline_ms = 0;",
    tests: ["Undoing_leaves_the_index"],
  },
  {
    name: "a repair forgets deletes",
    file: "native/core/newest_records.cc",
    find: "    slot.Erase(hash.fingerprint);\n    key_count_--;\n",
    replace: "",
    tests: ["Each_flipped_bit_takes_what_it_hits"],
  },
  {
    name: "a repair keeps what lies behind an unfinished end",
    file: "native/core/repair.cc",
    find: "if (found.unfinished_file.empty() || last_lsn <= found.last_lsn) return Status::Ok();",
    replace: "if (lsn_max_ == UINT64_MAX) return Status::Ok();",
    tests: ["After_a_kill_a_repair_has_what_opening_would_have"],
  },
  {
    name: "a repair without a MANIFEST reads what compaction replaced",
    file: "native/core/checked_directory.cc",
    find: "if (!IsReplaced(span, spans)) ordered",
    replace: "if (!IsReplaced(span, spans) || true) ordered",
    tests: ["Without_a_MANIFEST_a_deleted_key_does_not_come_back"],
  },
  {
    name: "a repair keeps parts of batches",
    file: "native/core/batch_filter.h",
    find: "    if (record.lsn != next_lsn_) {\n      at_boundary_ = false;\n      GiveUp();\n    }\n",
    replace: "",
    tests: ["Each_flipped_bit_takes_what_it_hits"],
  },
  {
    name: "a backup's MANIFEST comes before its files",
    file: "native/core/backup.cc",
    find: "  CRABKV_RETURN_IF_ERROR(target_.CheckPast(next));\n",
    replace: "  CRABKV_RETURN_IF_ERROR(target_.CheckPast(next));\n  CRABKV_RETURN_IF_ERROR(target_.Commit(next));\n",
    tests: ["A_machine_that_stops_at_any_call_of_a_backup"],
  },
  {
    name: "a backup removes what the one before needs, and then replaces its MANIFEST",
    file: "native/core/backup_target.cc",
    find: "  const Status status = Manifest::Write(env_, path_, next, &unsure);",
    replace:
      "  CRABKV_RETURN_IF_ERROR(RemoveUnlisted(FilesOf(next), true));\n" +
      "  const Status status = Manifest::Write(env_, path_, next, &unsure);",
    tests: ["A_machine_that_stops_at_any_call_of_a_backup"],
  },
  {
    name: "what a backup copies is not synced",
    file: "native/core/file_copy.cc",
    find: "  return to->Sync();",
    replace: "  return Status::Ok();",
    tests: ["A_backup_holds_all_that_was_acknowledged"],
  },
  {
    name: "a backup does not end the segment that is written to",
    file: "native/core/backup.cc",
    find: "closed_lsn == last_lsn ?",
    replace: "closed_lsn <= last_lsn ?",
    tests: ["Taking_a_backup_again_takes_what_is_new"],
  },
  {
    name: "a backup is ahead of what its store has made durable",
    file: "native/core/backup.cc",
    find: "  if (group != 0) CRABKV_RETURN_IF_ERROR(source_.log->WaitFor(group, true));\n",
    replace: "",
    tests: ["A_backup_waits_until_the_log_is_as_durable_as_it"],
  },
  {
    name: "recovery cuts a file that a backup shares",
    file: "native/core/recovery_rewrite.cc",
    find: "  if (links > 1) durable_ = files_[durable_.file].behind;",
    replace: "  if (links > 1) CRABKV_RETURN_IF_ERROR(files_[durable_.file].file->Truncate(durable_.offset));",
    tests: ["What_a_kill_and_a_recovery_do_to_the_store"],
  },
  {
    name: "a restored store counts as the one that was backed up",
    file: "native/core/restore.cc",
    find: "  while (state.lineage == 0 || state.lineage == backup_.lineage);",
    replace: "  while (state.lineage == 0);\n  state.lineage = backup_.lineage;",
    tests: ["A_store_that_went_on_apart"],
  },
  {
    name: "a backup is opened for writing",
    file: "native/core/store_open.cc",
    find: "manifest_.is_backup && !options_.read_only)",
    replace: "manifest_.is_backup && !options_.read_only && options_.error_if_exists)",
    tests: ["A_backup_is_not_opened_for_writing"],
  },
  {
    name: "a store goes on behind the last epoch",
    file: "native/core/manifest.cc",
    find: "if (state.epoch == UINT32_MAX)",
    replace: "if (state.epoch == 0)",
    tests: ["A_MANIFEST_with_a_number"],
  },
  {
    name: "a compacted segment may end in an epoch that is still to come",
    file: "native/core/manifest.cc",
    find: "if (segment.last_log_epoch <= state->epoch) continue;",
    replace: "if (segment.last_log_epoch != 0) continue;",
    tests: ["A_MANIFEST_with_a_number"],
  },
  {
    name: "what a rollback brings back stays marked as dead",
    file: "native/core/dead_records.cc",
    find: "if (rollbacks != rollbacks_) {",
    replace: "if (rollbacks_ > rollbacks) {",
    tests: ["What_a_failed_write_had_replaced"],
  },
  {
    name: "the index still tells as dead what a rollback brought back",
    file: "native/core/index.cc",
    find: "shards_[shard].dead.clear();",
    replace: "static_cast<void>(shard);",
    tests: ["Undoing_leaves_the_index", "What_lies_where_a_failed_write_had_lain"],
  },
  {
    name: "the marks of a segment that is gone come upon the next with its handle",
    file: "native/core/compactor.cc",
    find: "  dead_.Collect();  // what died in them",
    replace: "  //",
    tests: ["What_died_in_a_segment_that_is_gone"],
  },
  {
    name: "an output of a compaction ends behind records that are still to come",
    file: "native/core/compaction_copy.cc",
    find: "    last_lsn = record.lsn;\n",
    replace: "    last_lsn = last_lsn_ = record.lsn;\n",
    tests: ["Records_that_are_passed_over"],
  },
  {
    name: "a horizon stays among LSNs that are given out again",
    file: "native/core/recovery.cc",
    find: "  LowerHorizons();\n",
    replace: "",
    tests: ["LSNs_that_were_undone_before_a_compaction"],
  },
  {
    name: "a group's slot is free while the group is being released",
    file: "native/core/group_queue.cc",
    find: "store(Group::kReleasing, std::memory_order_seq_cst)",
    replace: "store(0, std::memory_order_seq_cst)",
    tests: ["A_slot_is_not_given_out"],
  },
  {
    name: "a segment whose beginning was taken back is passed over",
    file: "native/core/group_queue.cc",
    find: "  if (!segment->has_frames()) end_segment_ = false;\n",
    replace: "",
    tests: ["A_segment_whose_beginning_is_taken_back"],
  },
  {
    name: "the log goes on behind a SEAL as if that were not there",
    file: "native/core/frame_appender.cc",
    find: "  return sealed ? Status::Ok() : cut;\n",
    replace: "  return Status::Ok();\n",
    tests: ["The_log_goes_on_behind_a_SEAL"],
  },
];

// The disks that a power cut can leave, made from traces, must notice by themselves what other tests look for on purpose.
const crashDisks = "Every_disk_that_a_power_cut_can_leave";
const seenOnCrashDisks = [
  "an acknowledged write is not synced",
  "the directory of a new segment is not synced",
  "the directory of a new MANIFEST is not synced",
  "recovery does not sync what it wrote again",
  "a compaction drops a tombstone early",
  "a compaction does not sync what it relied on",
  "a compaction removes its inputs before the MANIFEST is replaced",
];
for (const seen of seenOnCrashDisks) {
  const mutant = mutants.find(({ name }) => name === seen);
  mutants.push({ ...mutant, name: `crash disks: ${seen}`, tests: [crashDisks] });
}
