// Keys as such: DEL, EXISTS, TYPE, RENAME, COPY …
#include "native/protocol/commands.h"
#include "native/protocol/numbers.h"

namespace crabkv::protocol {

namespace {

// Deletes that depend on nothing but what is there.
Run DeleteNow(Call& call) {
  std::vector<Operation> operations(call.size() - 1);
  for (size_t i = 1; i < call.size(); i++) {
    operations[i - 1].kind = Operation::Kind::kDelete;
    operations[i - 1].key = call[i];
  }
  Commit commit;
  const Status status =
      call.store.Write(operations.data(), static_cast<uint32_t>(operations.size()), call.keys.wait(), &commit);
  if (!status.ok()) return call.Stop(status);
  call.Wrote(commit.group);
  int64_t deleted = 0;
  for (const Operation& operation : operations) {
    if (!operation.existed) continue;
    deleted++;
    call.Notify(kNotifyGeneric, "del", operation.key);
  }
  call.reply.Integer(deleted);
  return Run::kDone;
}

Run Move(Call& call, bool only_absent, KeyView* source) {
  if (!call.keys.Read(call[1], source)) return Run::kStopped;
  if (!source->found) return call.Error("ERR no such key");
  if (call[1] == call[2]) {
    if (only_absent) {
      call.reply.Integer(0);
    } else {
      call.reply.Ok();
    }
    return Run::kDone;
  }
  if (only_absent) {
    KeyView target;
    if (!call.keys.Look(call[2], &target)) return Run::kStopped;
    if (target.found) {
      call.reply.Integer(0);
      return Run::kDone;
    }
  }
  const KeyView moved = *source;
  call.Notify(kNotifyNew, "new", call[2]);  // whatever was there goes unsaid, as in Redis
  call.keys.Delete(call[1]);
  call.keys.Put(call[2], moved.value, moved.expires_at_ms);
  call.Notify(kNotifyGeneric, "rename_from", call[1]);
  call.Notify(kNotifyGeneric, "rename_to", call[2]);
  if (only_absent) {
    call.reply.Integer(1);
  } else {
    call.reply.Ok();
  }
  return Run::kDone;
}

}  // namespace

Run Del(Call& call) {
  if (call.alone) return DeleteNow(call);
  int64_t deleted = 0;
  for (size_t i = 1; i < call.size(); i++) {
    KeyView view;
    if (!call.keys.Look(call[i], &view)) return Run::kStopped;
    if (!view.found) continue;
    call.Delete(call[i]);
    deleted++;
  }
  call.reply.Integer(deleted);
  return Run::kDone;
}

Run Exists(Call& call) {
  int64_t found = 0;
  for (size_t i = 1; i < call.size(); i++) {
    KeyView view;
    if (!call.keys.Look(call[i], &view)) return Run::kStopped;
    call.LookedUp(call[i], view.found);
    found += view.found ? 1 : 0;
  }
  call.reply.Integer(found);
  return Run::kDone;
}

Run Type(Call& call) {
  KeyView view;
  if (!call.keys.Look(call[1], &view)) return Run::kStopped;
  call.LookedUp(call[1], view.found);
  call.reply.Simple(view.found ? "string" : "none");
  return Run::kDone;
}

Run DbSize(Call& call) {
  int64_t keys = static_cast<int64_t>(call.store.KeyCount());
  // What the transaction under way adds and removes.
  call.keys.ForEachWrite([&](std::string_view key, bool found) {
    EntryInfo info;
    const bool was = call.store.Has(key, &info).ok() && info.found;
    keys += (found ? 1 : 0) - (was ? 1 : 0);
  });
  call.reply.Integer(keys);
  return Run::kDone;
}

Run Rename(Call& call) {
  KeyView source;
  return Move(call, false, &source);
}

Run RenameNx(Call& call) {
  KeyView source;
  return Move(call, true, &source);
}

Run Copy(Call& call) {
  bool replace = false;
  for (size_t i = 3; i < call.size(); i++) {
    if (Is(call[i], "REPLACE")) {
      replace = true;
    } else if (Is(call[i], "DB") && i + 1 < call.size()) {
      int64_t database = 0;
      if (!ParseInteger(call[++i], &database)) return call.Error("ERR value is not an integer or out of range");
      if (database != 0) return call.Error("ERR DB index is out of range");
    } else {
      return call.SyntaxError();
    }
  }
  if (call[1] == call[2]) return call.Error("ERR source and destination objects are the same");
  KeyView source;
  KeyView target;
  if (!call.keys.Read(call[1], &source) || !call.keys.Look(call[2], &target)) return Run::kStopped;
  call.LookedUp(call[1], source.found);
  const bool copies = source.found && (replace || !target.found);
  if (copies) {
    call.Notify(kNotifyNew, "new", call[2]);
    call.keys.Put(call[2], source.value, source.expires_at_ms);
    call.Notify(kNotifyGeneric, "copy_to", call[2]);
  }
  call.reply.Integer(copies ? 1 : 0);
  return Run::kDone;
}

}  // namespace crabkv::protocol
