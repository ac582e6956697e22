// Who may call the scheduler: one thread at a time. While a graph runs, or the whole core beside Python,
// Python's lock is free, and without this another thread would walk into the same hop. All of it happens
// under that lock.
#pragma once

namespace seehear::bindings {

class Turns {
 public:
  // One call; throws seehear.errors.StateError where another thread is in one, or holds the scheduler.
  class Turn {
   public:
    explicit Turn(Turns* turns) : turns_(turns) { turns->Enter(); }
    ~Turn() { turns_->inside_ = false; }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Turns* turns_;
  };

  // For several calls that belong together; Let ends it.
  void Hold();
  void Let() { holder_ = 0; }

  bool inside() const { return inside_; }

 private:
  void Enter();

  bool inside_ = false;
  unsigned long holder_ = 0;  // a thread, as Python numbers them
};

}  // namespace seehear::bindings
