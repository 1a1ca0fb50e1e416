// Whole values: GET, SET and what they are variants of.
#include "native/protocol/commands.h"
#include "native/protocol/deadlines.h"
#include "native/protocol/numbers.h"
#include "native/protocol/session.h"

namespace crabkv::protocol {

namespace {

// The options behind SET key value and GETEX key.
struct SetOptions {
  bool only_absent = false;
  bool only_present = false;
  bool answer_old = false;
  bool keep_deadline = false;
  bool persist = false;
  bool has_time = false;
  TimeForm form;
  std::string_view time;
};

bool ReadTimeOption(const Call& call, size_t* at, SetOptions* options) {
  const std::string_view word = call[*at];
  const bool seconds = Is(word, "EX") || Is(word, "EXAT");
  const bool absolute = Is(word, "EXAT") || Is(word, "PXAT");
  if (!seconds && !absolute && !Is(word, "PX")) return false;
  if (options->has_time || options->keep_deadline || options->persist || *at + 1 == call.size()) return false;
  options->has_time = true;
  options->form = {seconds, absolute};
  options->time = call[++*at];
  return true;
}

bool ReadSetOptions(const Call& call, SetOptions* options) {
  for (size_t i = 3; i < call.size(); i++) {
    if (Is(call[i], "NX") && !options->only_present) {
      options->only_absent = true;
    } else if (Is(call[i], "XX") && !options->only_absent) {
      options->only_present = true;
    } else if (Is(call[i], "GET")) {
      options->answer_old = true;
    } else if (Is(call[i], "KEEPTTL") && !options->has_time) {
      options->keep_deadline = true;
    } else if (!ReadTimeOption(call, &i, options)) {
      return false;
    }
  }
  return true;
}

bool ReadGetExOptions(const Call& call, SetOptions* options) {
  for (size_t i = 2; i < call.size(); i++) {
    if (Is(call[i], "PERSIST") && !options->has_time) {
      options->persist = true;
    } else if (!ReadTimeOption(call, &i, options)) {
      return false;
    }
  }
  return true;
}

// A put whose deadline has passed leaves no key. `has_time`: the deadline is the client's.
void PutOrDrop(Call& call, std::string_view key, std::string_view value, uint64_t deadline_ms, bool has_time) {
  call.Put("set", key, value, deadline_ms);
  if (has_time) call.Notify(kNotifyGeneric, "expire", key);
  if (deadline_ms == 0 || deadline_ms > call.now_ms()) return;
  call.keys.Delete(key);
  call.Notify(kNotifyExpired, "expired", key);
}

// One put that depends on nothing.
Run PutNow(Call& call, std::string_view key, std::string_view value, uint64_t deadline_ms, bool has_time) {
  if (!call.alone || (deadline_ms != 0 && deadline_ms <= call.now_ms()) || call.Notifies(kNotifyNew)) {
    PutOrDrop(call, key, value, deadline_ms, has_time);
    call.reply.Ok();
    return Run::kDone;
  }
  Commit commit;
  const Status status = call.store.Put(key, value, deadline_ms, &commit);
  if (!status.ok()) return call.Stop(status);
  call.Wrote(commit.group);
  call.Notify(kNotifyString, "set", key);
  if (has_time) call.Notify(kNotifyGeneric, "expire", key);
  call.reply.Ok();
  return Run::kDone;
}

void AnswerValue(Call& call, std::string_view key, const KeyView& view) {
  call.LookedUp(key, view.found);
  if (view.found) {
    call.reply.Bulk(view.value);
  } else {
    call.reply.Null();
  }
}

}  // namespace

Run Get(Call& call) {
  if (call.alone) {
    EntryInfo info;
    const uint64_t begin = call.reply.BeginBulk();
    const Status status = call.store.Get(call[1], call.keys.wait(), call.reply.out(), &info);
    if (!status.ok()) return call.Stop(status);
    call.LookedUp(call[1], info.found);
    if (info.found) {
      call.reply.EndBulk(begin);
    } else {
      call.reply.Null();
    }
    return Run::kDone;
  }
  KeyView view;
  if (!call.keys.Read(call[1], &view)) return Run::kStopped;
  AnswerValue(call, call[1], view);
  return Run::kDone;
}

Run Set(Call& call) {
  if (call.size() == 3) return PutNow(call, call[1], call[2], call.default_deadline_ms(), false);
  SetOptions options;
  if (!ReadSetOptions(call, &options)) return call.SyntaxError();
  uint64_t deadline_ms = call.default_deadline_ms();
  if (options.has_time) {
    const TimeCheck check = ParseDeadline(options.time, options.form, call.now_ms(), &deadline_ms);
    if (check != TimeCheck::kGood) return AnswerTimeError(call, check, "set");
  }
  const bool conditional = options.only_absent || options.only_present;
  if (!conditional && !options.answer_old && !options.keep_deadline) {
    return PutNow(call, call[1], call[2], deadline_ms, options.has_time);
  }
  KeyView old;
  const bool read = options.answer_old ? call.keys.Read(call[1], &old) : call.keys.Look(call[1], &old);
  if (!read) return Run::kStopped;
  if (options.answer_old) AnswerValue(call, call[1], old);
  if (old.found ? options.only_absent : options.only_present) {
    if (!options.answer_old) call.reply.Null();
    return Run::kDone;
  }
  if (options.keep_deadline && old.found) deadline_ms = old.expires_at_ms;
  PutOrDrop(call, call[1], call[2], deadline_ms, options.has_time);
  if (!options.answer_old) call.reply.Ok();
  return Run::kDone;
}

namespace {
Run PutFor(Call& call, bool seconds, std::string_view name) {
  uint64_t deadline_ms = 0;
  const TimeCheck check = ParseDeadline(call[2], {seconds, false}, call.now_ms(), &deadline_ms);
  if (check != TimeCheck::kGood) return AnswerTimeError(call, check, name);
  return PutNow(call, call[1], call[3], deadline_ms, true);
}
}  // namespace

// People write the value first: where only the other order can be meant, the text protocol takes it.
Run SetEx(Call& call) {
  int64_t number = 0;
  if (call.session.speaks_text() && !ParseInteger(call[2], &number) && ParseInteger(call[3], &number)) {
    uint64_t deadline_ms = 0;
    const TimeCheck check = ParseDeadline(call[3], {true, false}, call.now_ms(), &deadline_ms);
    if (check != TimeCheck::kGood) return AnswerTimeError(call, check, "setex");
    return PutNow(call, call[1], call[2], deadline_ms, true);
  }
  return PutFor(call, true, "setex");
}

Run PSetEx(Call& call) { return PutFor(call, false, "psetex"); }

Run SetNx(Call& call) {
  KeyView old;
  if (!call.keys.Look(call[1], &old)) return Run::kStopped;
  if (!old.found) call.Put("set", call[1], call[2], call.default_deadline_ms());
  call.reply.Integer(old.found ? 0 : 1);
  return Run::kDone;
}

Run GetSet(Call& call) {
  KeyView old;
  if (!call.keys.Read(call[1], &old)) return Run::kStopped;
  AnswerValue(call, call[1], old);
  call.Put("set", call[1], call[2], call.default_deadline_ms());
  return Run::kDone;
}

Run GetDel(Call& call) {
  KeyView old;
  if (!call.keys.Read(call[1], &old)) return Run::kStopped;
  AnswerValue(call, call[1], old);
  if (old.found) call.Delete(call[1]);
  return Run::kDone;
}

Run GetEx(Call& call) {
  SetOptions options;
  if (!ReadGetExOptions(call, &options)) return call.SyntaxError();
  KeyView view;
  if (!call.keys.Read(call[1], &view)) return Run::kStopped;
  call.LookedUp(call[1], view.found);
  if (!view.found) {
    call.reply.Null();
    return Run::kDone;
  }
  uint64_t deadline_ms = 0;
  if (options.has_time) {
    const TimeCheck check = ParseDeadline(options.time, options.form, call.now_ms(), &deadline_ms);
    if (check != TimeCheck::kGood) return AnswerTimeError(call, check, "getex");
  }
  call.reply.Bulk(view.value);
  if (options.has_time && deadline_ms <= call.now_ms()) {
    call.Delete(call[1]);
  } else if (options.has_time || (options.persist && view.expires_at_ms != 0)) {
    call.keys.SetDeadline(call[1], deadline_ms);
    call.Notify(kNotifyGeneric, options.persist ? "persist" : "expire", call[1]);
  }
  return Run::kDone;
}

namespace {
// Values that may be larger than a reply can be: one after the other into the reply, so that it is bounded as it grows,
// and then a check that all of them are still what they were. That makes it one moment.
Run MGetLarge(Call& call) {
  constexpr uint32_t kTriesMax = 1000;
  const uint64_t begin = call.reply.size();
  std::vector<Operation> checks(call.size() - 1);
  for (uint32_t tries = 0; tries < kTriesMax; tries++) {
    call.reply.Truncate(begin);
    call.reply.Array(checks.size());
    for (size_t i = 0; i < checks.size(); i++) {
      EntryInfo info;
      const uint64_t value_begin = call.reply.BeginBulk();
      const Status status = call.store.Get(call[i + 1], call.keys.wait(), call.reply.out(), &info);
      if (!status.ok()) return call.Stop(status);
      if (info.found) {
        call.reply.EndBulk(value_begin);
      } else {
        call.reply.Null();
      }
      if (call.reply.overflowed()) return Run::kDone;
      checks[i].kind = Operation::Kind::kCheck;
      checks[i].key = call[i + 1];
      checks[i].guard = info.found ? Guard::kUnchanged : Guard::kAbsent;
      checks[i].guard_version = info.version;
      checks[i].guard_expires_at_ms = info.expires_at_ms;
    }
    Commit commit;
    commit.committed = true;
    if (!call.store.options().read_only) {
      const Status status =
          call.store.Write(checks.data(), static_cast<uint32_t>(checks.size()), call.keys.wait(), &commit);
      if (!status.ok()) return call.Stop(status);
    }
    if (!commit.committed) continue;
    for (const Operation& check : checks) call.LookedUp(check.key, check.guard == Guard::kUnchanged);
    return Run::kDone;
  }
  call.reply.Truncate(begin);
  return call.Error("ERR too many others write the same keys");
}
}  // namespace

Run MGet(Call& call) {
  const uint32_t count = static_cast<uint32_t>(call.size() - 1);
  const uint64_t reply_bytes_max = call.session.settings().reply_bytes_max;
  if (call.alone && count > reply_bytes_max / call.value_bytes_max) return MGetLarge(call);
  if (call.alone) {
    MultiGetResult result;
    const Status status = call.store.GetMany(call.arguments.data() + 1, count, call.keys.wait(), &result);
    if (!status.ok()) return call.Stop(status);
    call.reply.Array(count);
    const std::string_view values = result.values.view();
    const std::string_view* key = call.arguments.data();
    for (const MultiGetResult::Item& item : result.items) {
      call.LookedUp(*++key, item.found);
      if (item.found) {
        call.reply.Bulk(values.substr(item.offset, item.length));
      } else {
        call.reply.Null();
      }
    }
    return Run::kDone;
  }
  call.reply.Array(count);
  for (size_t i = 1; i < call.size(); i++) {
    KeyView view;
    if (!call.keys.Read(call[i], &view)) return Run::kStopped;
    AnswerValue(call, call[i], view);
  }
  return Run::kDone;
}

Run MSet(Call& call) {
  if (call.size() % 2 == 0) return call.Error("ERR wrong number of arguments for 'mset' command");
  for (size_t i = 1; i < call.size(); i += 2) call.Put("set", call[i], call[i + 1], call.default_deadline_ms());
  call.reply.Ok();
  return Run::kDone;
}

Run MSetNx(Call& call) {
  if (call.size() % 2 == 0) return call.Error("ERR wrong number of arguments for 'msetnx' command");
  for (size_t i = 1; i < call.size(); i += 2) {
    KeyView old;
    if (!call.keys.Look(call[i], &old)) return Run::kStopped;
    if (!old.found) continue;
    call.reply.Integer(0);
    return Run::kDone;
  }
  for (size_t i = 1; i < call.size(); i += 2) call.Put("set", call[i], call[i + 1], call.default_deadline_ms());
  call.reply.Integer(1);
  return Run::kDone;
}

}  // namespace crabkv::protocol
