// MULTI, EXEC, DISCARD, WATCH: the session keeps what they are about.
#include "native/protocol/commands.h"
#include "native/protocol/session.h"

namespace crabkv::protocol {

Run Multi(Call& call) { return call.session.Multi(); }
Run Exec(Call& call) { return call.session.Exec(); }
Run Discard(Call& call) { return call.session.Discard(); }
Run Watch(Call& call) { return call.session.Watch(call); }

Run Unwatch(Call& call) {
  call.session.Unwatch();
  call.reply.Ok();
  return Run::kDone;
}

}  // namespace crabkv::protocol
