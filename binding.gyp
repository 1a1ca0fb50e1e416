# node-gyp wants this file at the root; every target is described in native/.
{
  "includes": ["native/crabkv.gypi"],
}
