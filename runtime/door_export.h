// Marks what libvervet.so offers to libvervet_preload.so through runtime/door.h. Not a public API.
#pragma once
#define VERVET_DOOR __attribute__((visibility("default")))
