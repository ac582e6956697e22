// How one thread wakes another without a lock: a counting semaphore of the system.
#pragma once

#include <semaphore.h>

namespace seehear {

class Wakeup {
 public:
  Wakeup() { sem_init(&semaphore_, 0, 0); }
  ~Wakeup() { sem_destroy(&semaphore_); }
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  void Wake() noexcept {
    int waiting = 0;
    // one is enough, and its counter must not run over while nobody sleeps
    if (sem_getvalue(&semaphore_, &waiting) == 0 && waiting < 1) sem_post(&semaphore_);
  }
  // Returns after a Wake, sometimes without one: the caller looks again what there is.
  void Sleep() noexcept { sem_wait(&semaphore_); }

 private:
  sem_t semaphore_;
};

}  // namespace seehear
