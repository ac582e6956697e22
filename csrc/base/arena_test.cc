#include "base/arena.h"

#include <cstdint>

#include "base/vector.h"
#include "testing/test.h"

namespace seehear {
namespace {

TEST(PiecesAreAlignedAndDoNotOverlap) {
  alignas(8) char memory[64];
  Arena arena(memory, sizeof memory);
  char* a = static_cast<char*>(arena.Take(3));
  char* b = static_cast<char*>(arena.Take(17));
  CHECK(a == memory && b == memory + 8 && arena.used() == 32);
  CHECK(arena.Take(33) == nullptr && arena.Take(SIZE_MAX) == nullptr);
  CHECK(arena.Take(32) == memory + 32 && arena.Take(1) == nullptr);
}

TEST(VectorsLiveInTheArenaInUseAndOnTheHeapOtherwise) {
  alignas(8) char memory[128];
  Arena arena(memory, sizeof memory);
  Vector<float> inside, outside;
  {
    Arena::Use use(&arena);
    CHECK_OK(inside.Allocate(10));
    CHECK_ERROR(outside.Allocate(100), "the memory given is too small: 400 bytes more do not fit");
    CHECK(outside.empty());
  }
  CHECK_OK(outside.Allocate(100));
  CHECK(static_cast<void*>(inside.data()) == memory && inside[9] == 0.0f);
  CHECK(arena.used() == 40 && outside.size() == 100);
}

}  // namespace
}  // namespace seehear
