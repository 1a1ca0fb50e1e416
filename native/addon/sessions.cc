// Sessions of servers: one crossing for each chunk that a socket brings. Reply bytes go straight into memory that the
// caller keeps for them; what does not fit there waits in the session for sessionTake.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "native/addon/arguments.h"
#include "native/addon/cold.h"
#include "native/addon/functions.h"

namespace crabkv::addon {

namespace {

using protocol::ReplyForm;
using protocol::ServerSettings;
using protocol::Session;
using protocol::SessionJob;

// What sessionSet sets.
enum SessionProperty : uint32_t {
  kSetForm = 0,
  kSetAuthenticated = 1,
  kForget = 2,
  kCloseAfterReplies = 3,
  kMute = 4,
  kSetSubscribed = 5,
  kTrim = 6,
};

template <size_t kCount>
Session* FindSession(const Call<kCount>& call, Handle* handle) {
  uint32_t id = 0;
  napi_get_value_uint32(call.env, call[1], &id);
  Session* session = handle == nullptr ? nullptr : handle->FindSession(id);
  if (handle != nullptr && session == nullptr) ThrowTypeError(call.env, "session is not open");
  return session;
}

// The outcome as a number, and what came out at target[offset] if it fits there; see results for how much that is.
napi_value Report(Environment& environment, Handle& handle, Session& session, Session::Outcome outcome,
                  const Span<uint8_t>& target, uint64_t offset) {
  double* results = environment.results();
  // Of a captured reply the group is the answer's in its place, too; whether that comes or not, what was committed is.
  const uint64_t group = outcome == Session::Outcome::kReplied ? session.Group() : session.TakeGroup();
  ReadBuffer& output = session.output();
  results[kResultReplyBytes] = static_cast<double>(output.size());
  results[kResultReplies] = session.TakeReplyCount();
  results[kResultReplyGroup] = static_cast<double>(group);
  results[kResultMidway] = session.is_midway() ? 1 : 0;
  results[kResultReplyForm] = static_cast<double>(session.form());
  results[kResultNotificationBytes] = static_cast<double>(session.notifications().size());
  results[kResultExecFate] = static_cast<double>(session.TakeExecFate());
  results[kResultExecuting] = session.executing() ? 1 : 0;
  results[kResultHeldBytes] = static_cast<double>(session.held_bytes());
  if (offset <= target.length && output.size() <= target.length - offset && output.size() != 0) {
    std::memcpy(target.data + offset, output.data(), output.size());
    session.ClearOutput();
  }
  if (group != 0) handle.AwaitGroup(group);
  if (outcome == Session::Outcome::kBusy) handle.AwaitRoom();
  napi_value number;
  return napi_create_uint32(environment.env(), static_cast<uint32_t>(outcome), &number) == napi_ok ? number : nullptr;
}

napi_value MakeBuffers(Environment& environment, const std::vector<std::string_view>& words, size_t count) {
  return environment.MakeArray(count, [&](size_t index) -> napi_value {
    napi_value buffer;
    const std::string_view bytes = words[index];
    return napi_create_buffer_copy(environment.env(), bytes.size(), bytes.data(), nullptr, &buffer) == napi_ok
               ? buffer
               : nullptr;
  });
}

// Where replies go: memory and a place in it, the arguments from `at` on.
template <size_t kCount>
bool ReadTarget(const Call<kCount>& call, size_t at, Span<uint8_t>* target, uint64_t* offset) {
  return ReadUint8Array(call.env, call[at], "target", target) &&
         ReadInteger(call.env, call[at + 1], "offset", UINT32_MAX, offset);
}

// Copies to the front of the memory that is the third argument.
template <size_t kCount>
bool CopyToTarget(const Call<kCount>& call, std::string_view bytes) {
  Span<uint8_t> target;
  if (!ReadUint8Array(call.env, call[2], "target", &target)) return false;
  if (bytes.size() > target.length) {
    ThrowRangeError(call.env, "target is too small");
    return false;
  }
  if (!bytes.empty()) std::memcpy(target.data, bytes.data(), bytes.size());
  return true;
}

class RunJob : public Delivery {
 public:
  RunJob(napi_deferred deferred, std::unique_ptr<SessionJob> job) : deferred_(deferred), job_(std::move(job)) {}
  bool Step(Store& store) { return job_->Step(store); }
  void Deliver(Environment& environment) override {
    environment.gate().Release();
    ResolveUndefined(environment, deferred_);
  }

 private:
  const napi_deferred deferred_;
  const std::unique_ptr<SessionJob> job_;
};

}  // namespace

// sessionOpen(handle, server): number.
napi_value SessionOpen(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return nullptr;
  uint32_t server_id = 0;
  napi_get_value_uint32(env, call[1], &server_id);
  const uint32_t session_id = handle->AddSession(server_id);
  if (session_id == 0) return ThrowTypeError(env, "server is not open");
  napi_value id;
  return napi_create_uint32(env, session_id, &id) == napi_ok ? id : nullptr;
}

// sessionFeed(handle, session, bytes, target, offset): number, the outcome. Results: replyBytes, replies, replyGroup.
napi_value SessionFeed(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  Span<uint8_t> bytes;
  Span<uint8_t> target;
  uint64_t offset = 0;
  if (session == nullptr || !ReadUint8Array(env, call[2], "bytes", &bytes) || !ReadTarget(call, 3, &target, &offset)) {
    return nullptr;
  }
  const std::string_view view(reinterpret_cast<const char*>(bytes.data), bytes.length);
  return Report(call.environment(), *handle, *session, session->Feed(view), target, offset);
}

// sessionResume(handle, session, target, offset): the same, after a job, or at another turn.
napi_value SessionResume(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  Span<uint8_t> target;
  uint64_t offset = 0;
  if (session == nullptr || !ReadTarget(call, 2, &target, &offset)) return nullptr;
  return Report(call.environment(), *handle, *session, session->Resume(), target, offset);
}

// sessionProceed(handle, session, target, offset, captures): the same, running the command that went up.
napi_value SessionProceed(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  Span<uint8_t> target;
  uint64_t offset = 0;
  bool captures = false;
  if (session == nullptr || !ReadTarget(call, 2, &target, &offset) || !ReadBool(env, call[4], "captures", &captures)) {
    return nullptr;
  }
  return Report(call.environment(), *handle, *session, session->Proceed(captures), target, offset);
}

// sessionAnswer(handle, session, reply, target, offset): the same, after the reply of the command that went up.
napi_value SessionAnswer(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  Span<uint8_t> reply;
  Span<uint8_t> target;
  uint64_t offset = 0;
  if (session == nullptr || !ReadUint8Array(env, call[2], "reply", &reply) || !ReadTarget(call, 3, &target, &offset)) {
    return nullptr;
  }
  const std::string_view view(reinterpret_cast<const char*>(reply.data), reply.length);
  return Report(call.environment(), *handle, *session, session->Answer(view), target, offset);
}

// sessionTake(handle, session, target): moves what did not fit to the front of target.
napi_value SessionTake(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  if (session != nullptr && CopyToTarget(call, session->output().view())) session->ClearOutput();
  return nullptr;
}

// sessionTakeNotifications(handle, session, target): moves them to the front of target.
napi_value SessionTakeNotifications(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  if (session != nullptr && CopyToTarget(call, session->notifications())) session->notifications() = std::string();
  return nullptr;
}

// sessionArguments(handle, session, wordsMax): Buffer[], of the command that went up, the first of them.
napi_value SessionArguments(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  uint64_t words_max = 0;
  if (session == nullptr || !ReadInteger(env, call[2], "wordsMax", UINT32_MAX, &words_max)) return nullptr;
  const std::vector<std::string_view>& words = session->arguments();
  return MakeBuffers(call.environment(), words, std::min<uint64_t>(words.size(), words_max));
}

// sessionQueued(handle, session, wordsMax): Buffer[][], of the commands that the EXEC that went up would run; undefined
// when they have more words.
napi_value SessionQueued(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  uint64_t words_max = 0;
  if (session == nullptr || !ReadInteger(env, call[2], "wordsMax", UINT32_MAX, &words_max) ||
      session->QueuedWords() > words_max) {
    return nullptr;
  }
  Environment& environment = call.environment();
  return environment.MakeArray(session->QueuedCount(), [&](size_t index) {
    const std::vector<std::string_view>& words = session->QueuedArguments(index);
    return MakeBuffers(environment, words, words.size());
  });
}

// sessionReplace(handle, session, queued, words, lengths): whether the command that went up has become another, or with
// a place among what its EXEC would run, that one.
napi_value SessionReplace(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  if (session == nullptr) return nullptr;
  Environment& environment = call.environment();
  uint64_t queued = 0;
  const bool is_queued = !IsUndefined(env, call[2]);
  std::vector<std::string_view> words;
  if ((is_queued && !ReadInteger(env, call[2], "queued", UINT32_MAX, &queued)) ||
      !ReadColumn(environment, call[3], call[4], "words", &environment.key_scratch, &words)) {
    return nullptr;
  }
  napi_value taken;
  napi_get_boolean(env, is_queued ? session->ReplaceQueued(queued, words) : session->Replace(words), &taken);
  return taken;
}

// sessionRunJob(handle, session): Promise<void>, when sessionResume can go on.
napi_value SessionRunJob(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  if (session == nullptr) return nullptr;
  std::unique_ptr<SessionJob> job = session->TakeJob();
  if (job == nullptr) return ThrowTypeError(env, "session has no job");
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  SubmitSteps(call.environment(), *handle, deferred, std::make_unique<RunJob>(deferred, std::move(job)));
  return promise;
}

// sessionSet(handle, session, property, value): see SessionProperty. Results, of kTrim: heldBytes.
napi_value SessionSet(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  Session* session = FindSession(call, handle);
  uint64_t property = 0;
  uint64_t value = 0;
  if (session == nullptr || !ReadInteger(env, call[2], "property", kTrim, &property) ||
      !ReadInteger(env, call[3], "value", 3, &value)) {
    return nullptr;
  }
  switch (static_cast<SessionProperty>(property)) {
    case kSetForm:
      session->set_form(static_cast<ReplyForm>(value));
      break;
    case kSetAuthenticated:
      session->set_authenticated(value != 0);
      break;
    case kForget:
      session->Forget();
      break;
    case kCloseAfterReplies:
      session->CloseAfterReplies();
      break;
    case kMute:
      session->Mute(static_cast<Session::Muted>(value));
      break;
    case kSetSubscribed:
      session->set_subscribed(value != 0);
      break;
    case kTrim:
      session->Trim();
      call.environment().results()[kResultHeldBytes] = static_cast<double>(session->held_bytes());
      break;
  }
  return nullptr;
}

// sessionEnd(handle, session). Forgiving: the store may have been closed.
napi_value SessionEnd(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  uint32_t id = 0;
  uint32_t session_id = 0;
  napi_get_value_uint32(env, call[0], &id);
  napi_get_value_uint32(env, call[1], &session_id);
  Handle* handle = call.environment().Find(id);
  if (handle != nullptr) handle->EndSession(session_id);
  return nullptr;
}

}  // namespace crabkv::addon
