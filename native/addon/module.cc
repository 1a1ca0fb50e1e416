// The addon's entry point: makes the environment's state and the object of native functions. Runs once in each
// environment (the main thread and every worker that imports crabkv).
#include <node_api.h>

#include <cstdint>

#include "native/addon/arguments.h"
#include "native/addon/environment.h"
#include "native/addon/functions.h"

namespace crabkv::addon {

namespace {

// init(createError, arrayOf, arrayPush): Float64Array, called by src/native.ts right after loading.
napi_value Init(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  return call.environment().Initialize(call[0], call[1], call[2]);
}

// NATIVE_INTERFACE of src/addon.cts, which refuses a binary with another: raised together, when the functions below or
// what they take and give change.
constexpr uint32_t kInterface = 3;

struct NamedFunction {
  const char* name;
  napi_callback function;
};

constexpr NamedFunction kFunctions[] = {
    {"init", Init},
    {"open", Open},
    {"close", Close},
    {"put", Put},
    {"putRow", PutRow},
    {"delete", Delete},
    {"expire", Expire},
    {"kick", Kick},
    {"requestDurable", RequestDurable},
    {"rollbacks", Rollbacks},
    {"takenBackGroups", TakenBackGroups},
    {"writeBatch", WriteBatch},
    {"writeBatchCold", WriteBatchCold},
    {"putEach", PutEach},
    {"getText", GetText},
    {"getBytes", GetBytes},
    {"takeRead", TakeRead},
    {"getMany", GetMany},
    {"has", Has},
    {"hasMany", HasMany},
    {"ttl", Ttl},
    {"getCold", GetCold},
    {"getManyCold", GetManyCold},
    {"nextDeadline", NextDeadline},
    {"removeExpired", RemoveExpired},
    {"shardOf", ShardOf},
    {"reportSlots", ReportSlots},
    {"moveSlot", MoveSlot},
    {"compact", Compact},
    {"backup", BackUp},
    {"cancelRequest", CancelRequest},
    {"verify", Verify},
    {"repair", RepairStore},
    {"restore", RestoreStore},
    {"cancelTask", CancelTask},
    {"scanOpen", ScanOpen},
    {"feedOpen", FeedOpen},
    {"feedWait", FeedWait},
    {"scanNext", ScanNext},
    {"scanEnd", ScanEnd},
    {"serverOpen", ServerOpen},
    {"sessionOpen", SessionOpen},
    {"sessionFeed", SessionFeed},
    {"sessionResume", SessionResume},
    {"sessionAnswer", SessionAnswer},
    {"sessionProceed", SessionProceed},
    {"sessionTake", SessionTake},
    {"sessionArguments", SessionArguments},
    {"serverNotify", ServerNotify},
    {"sessionTakeNotifications", SessionTakeNotifications},
    {"sessionQueued", SessionQueued},
    {"sessionReplace", SessionReplace},
    {"sessionRunJob", SessionRunJob},
    {"serverPause", ServerPause},
    {"serverCounts", ServerCounts},
    {"serverResetCounts", ServerResetCounts},
    {"serverHook", ServerHook},
    {"sessionSet", SessionSet},
    {"sessionEnd", SessionEnd},
    {"matchesPattern", MatchesPattern},
    {"printReplies", PrintReplies},
    {"describeCommands", DescribeCommands},
    {"stats", Stats},
    {"failure", Failure},
    {"changeCounters", ChangeCountersOf},
    {"dumpSegment", DumpSegment},
};

napi_value Register(napi_env env, napi_value exports) {
  Environment* environment = nullptr;
  if (Environment::Create(env, &environment) != napi_ok) {
    return ThrowTypeError(env, "crabkv: this JavaScript environment cannot take the addon");
  }
  for (const NamedFunction& entry : kFunctions) {
    napi_value function;
    // The environment travels as the function's data, so that a call needs no look-up and no particular `this`.
    if (napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, environment, &function) != napi_ok ||
        napi_set_named_property(env, exports, entry.name, function) != napi_ok) {
      return nullptr;
    }
  }
  napi_value number;
  if (napi_create_uint32(env, kInterface, &number) != napi_ok ||
      napi_set_named_property(env, exports, "nativeInterface", number) != napi_ok) {
    return nullptr;
  }
  return exports;
}

}  // namespace

}  // namespace crabkv::addon

NAPI_MODULE_INIT() { return crabkv::addon::Register(env, exports); }
