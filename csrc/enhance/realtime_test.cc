// Process and See allocate nothing and lock nothing: every allocation and every lock of this program is
// counted.
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>

#include "enhance/stream.h"
#include "testing/test.h"
#include "testing/test_invoke.h"

namespace {

std::atomic<int> allocations{0};
std::atomic<int> locks{0};

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

#if defined(__GLIBC__)
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);
void __libc_free(void* old);

void* malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  ++allocations;
  return __libc_realloc(old, size);
}
void free(void* old) {
  if (old != nullptr) ++allocations;
  __libc_free(old);
}

// The C++ and POSIX locks all end in one of these.
int pthread_mutex_lock(pthread_mutex_t* mutex) {
  ++locks;
  static const auto next = Next<int (*)(pthread_mutex_t*)>("pthread_mutex_lock");
  return next(mutex);
}
int pthread_mutex_trylock(pthread_mutex_t* mutex) {
  ++locks;
  static const auto next = Next<int (*)(pthread_mutex_t*)>("pthread_mutex_trylock");
  return next(mutex);
}
int pthread_rwlock_rdlock(pthread_rwlock_t* lock) {
  ++locks;
  static const auto next = Next<int (*)(pthread_rwlock_t*)>("pthread_rwlock_rdlock");
  return next(lock);
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) {
  ++locks;
  static const auto next = Next<int (*)(pthread_rwlock_t*)>("pthread_rwlock_wrlock");
  return next(lock);
}
int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  ++locks;
  static const auto next = Next<int (*)(pthread_cond_t*, pthread_mutex_t*)>("pthread_cond_wait");
  return next(condition, mutex);
}
int sem_wait(sem_t* semaphore) {
  ++locks;
  static const auto next = Next<int (*)(sem_t*)>("sem_wait");
  return next(semaphore);
}
}
#else
// Other C libraries: C++ allocations only.
void* operator new(size_t size) {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* old) noexcept {
  ++allocations;
  std::free(old);
}
void operator delete(void* old, size_t) noexcept {
  ++allocations;
  std::free(old);
}
#endif

namespace seehear {
namespace {

// Counts what happens between its construction and the call of a getter.
struct Watch {
  const int allocations_before = allocations, locks_before = locks;
  int Allocations() const { return allocations - allocations_before; }
  int Locks() const { return locks - locks_before; }
};

TEST(TheCountersOfThisTestDoCount) {
  std::mutex mutex;
  mutex.lock();  // resolves the next function, once
  mutex.unlock();
  const Watch watch;
  int* volatile number = new int(1);
  delete number;
  void* volatile block = std::malloc(10);
  std::free(block);
  CHECK(watch.Allocations() >= 2);
#if defined(__GLIBC__)
  mutex.lock();
  mutex.unlock();
  CHECK(watch.Locks() == 1);
#endif
}

TEST(ProcessAndSeeNeitherAllocateNorLock) {
  HopScheduler scheduler;
  CHECK_OK(scheduler.Prepare(TestConfig(FrameSpec::Standard(), true)));
  TestInvoke invoke(&scheduler);
  const std::vector<float> noise = TestNoise(16000);
  float face[100], out[160];
  const Watch watch;
  for (int n = 0; n < 400; ++n) {
    if (n % 4 == 0) {
      TestFace(0.001f * static_cast<float>(n), face);
      // A face, then none, then a frozen one, then a face whose lip net fails.
      const bool shown = n < 100 || n >= 150;
      if (n >= 200 && n < 300) TestFace(0.5f, face);
      scheduler.See(shown ? face : nullptr, scheduler.now() - 0.07);
    }
    invoke.failing_graph = n > 370 ? 3 : -1;
    scheduler.Process(noise.data() + n % 100 * 160, out);
    scheduler.set_strength(0.9f);
    scheduler.set_visual_delay_ms(70.0f);
  }
  scheduler.Flush(out);
  scheduler.Reset();
  const int allocated = watch.Allocations(), locked = watch.Locks();
  CHECK_NEAR(allocated, 0, 0);
  CHECK_NEAR(locked, 0, 0);
  CHECK(invoke.runs[5] > 100);  // the gate did open
}

TEST(StreamsNeitherAllocateNorLockAtAnyRate) {
  for (int rate : {8000, 16000, 44100, 48000}) {
    HopScheduler scheduler;
    Stream stream;
    CHECK_OK(scheduler.Prepare(TestConfig(FrameSpec::LowLatency(), true)));
    CHECK_OK(stream.Prepare(&scheduler, rate, rate == 48000 ? 240 : 0));
    TestInvoke invoke(&scheduler);
    const std::vector<float> noise = TestNoise(4800);
    std::vector<float> out(4800);
    std::vector<int16_t> samples(4800), result(4800);
    const Watch watch;
    stream.Process(noise.data(), 4800, out.data());
    stream.Process(samples.data(), 4800, result.data());
    stream.Flush(out.data());
    stream.Reset();
    const int allocated = watch.Allocations(), locked = watch.Locks();
    CHECK_NEAR(allocated, 0, 0);
    CHECK_NEAR(locked, 0, 0);
  }
}

}  // namespace
}  // namespace seehear
