// Builds a plain object property by property; after the first failure the rest is skipped.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <string>

namespace crabkv::addon {

class ObjectWriter {
 public:
  explicit ObjectWriter(napi_env env) : env_(env) { ok_ = napi_create_object(env, &object_) == napi_ok; }

  void Number(const char* name, uint64_t number) {
    napi_value value = nullptr;
    ok_ = ok_ && napi_create_double(env_, static_cast<double>(number), &value) == napi_ok;
    Set(name, value);
  }
  void Flag(const char* name, bool flag) {
    napi_value value = nullptr;
    ok_ = ok_ && napi_get_boolean(env_, flag, &value) == napi_ok;
    Set(name, value);
  }
  void Text(const char* name, const std::string& text) {
    napi_value value = nullptr;
    ok_ = ok_ && napi_create_string_utf8(env_, text.data(), text.size(), &value) == napi_ok;
    Set(name, value);
  }
  // A value that was made before; null makes the object null.
  void Value(const char* name, napi_value value) {
    ok_ = ok_ && value != nullptr;
    Set(name, value);
  }
  napi_value object() const { return ok_ ? object_ : nullptr; }

 private:
  void Set(const char* name, napi_value value) {
    ok_ = ok_ && napi_set_named_property(env_, object_, name, value) == napi_ok;
  }

  napi_env env_;
  napi_value object_;
  bool ok_;
};

}  // namespace crabkv::addon
