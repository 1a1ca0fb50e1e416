/* Loads the addon that argv[1] names with everything it wants found at once, as a Node for this C library would, and without a
   Node: what the addon calls of it is stood in for by functions that test/packed/matrix.mjs adds to this file. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  void* addon = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (addon == NULL) return fprintf(stderr, "%s\n", dlerror()), 1;
  const char* const entries[] = {"napi_register_module_v1", "node_api_module_get_api_version_v1"};
  for (int i = 0; i < 2; i++)
    if (dlsym(addon, entries[i]) == NULL) return fprintf(stderr, "%s\n", dlerror()), 1;
  const int (*version)(void) = (const int (*)(void))dlsym(addon, entries[1]);
  printf("Node-API %d", version());
  return 0;
}
