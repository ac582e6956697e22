#include "sight/visual_queue.h"

#include <thread>

#include "testing/test.h"
#include "testing/test_config.h"

namespace seehear {
namespace {

TEST(ImagesComeOutInOrder) {
  VisualQueue queue;
  CHECK_OK(queue.Prepare(64));
  float face[100];
  TestFace(0.1f, face);
  CHECK(queue.Front() == nullptr);
  CHECK(queue.Push(face, 1.0) && queue.Push(nullptr, 2.0));
  CHECK(queue.At(1)->t == 2.0 && queue.At(2) == nullptr);
  CHECK(queue.Front()->t == 1.0 && queue.Front()->has_landmarks && queue.Front()->landmarks[1] == face[1]);
  queue.Pop();
  CHECK(queue.Front()->t == 2.0 && !queue.Front()->has_landmarks);
  queue.Clear();
  CHECK(queue.Front() == nullptr);
}

TEST(AFullQueueRefuses) {
  VisualQueue queue;
  CHECK_OK(queue.Prepare(64));
  for (int i = 0; i < 64; ++i) CHECK(queue.Push(nullptr, i));
  CHECK(!queue.Push(nullptr, 1000.0));
  queue.Pop();
  CHECK(queue.Push(nullptr, 1000.0));
}

TEST(TheCapacityIsAPowerOfTwo) {
  VisualQueue queue;
  CHECK_ERROR(queue.Prepare(10), "visual.queue must be a power of two from 1 to 1024, got 10");
  CHECK(!queue.Push(nullptr, 0.0));
}

TEST(OneProducerThreadLosesAndTearsNothing) {
  VisualQueue queue;
  CHECK_OK(queue.Prepare(64));
  constexpr int kImages = 20000;
  std::thread producer([&queue] {
    float values[100];
    for (int i = 0; i < kImages; ++i) {
      for (float& v : values) v = static_cast<float>(i);
      while (!queue.Push(values, i)) std::this_thread::yield();
    }
  });
  int next = 0, torn = 0;
  while (next < kImages) {
    const VisualImage* image = queue.Front();
    if (image == nullptr) {
      std::this_thread::yield();
      continue;
    }
    torn += image->t != next || image->landmarks[0] != static_cast<float>(next) ||
            image->landmarks[99] != static_cast<float>(next);
    queue.Pop();
    ++next;
  }
  producer.join();
  CHECK(torn == 0);
}

}  // namespace
}  // namespace seehear
