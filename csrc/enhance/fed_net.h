// A recurrent net together with the values that it listens to.
#pragma once

#include "nets/recurrent_net.h"

namespace seehear {

// Something a net can be fed with: the name that a model calls it by, and where its values stand.
struct NetInput {
  const char* role = "";
  const float* values = nullptr;
  int size = 0;
};

class FedNet {
 public:
  // offered: `count` inputs, of which spec.inputs names some; their values must stay where they are.
  Status Prepare(const NetSpec& spec, const NetInput* offered, int count, Vector<Graph>* graphs);
  void Reset() noexcept { net_.Reset(); }
  const float* Output(const char* role, int size, Status* status) const {
    return net_.Output(role, size, status);
  }

  // As RecurrentNet::Process, on the values as they are now.
  bool Process(const Invoke& invoke) noexcept;

 private:
  struct Source {
    const float* values = nullptr;
    int size = 0;
    int offset = 0;
  };

  RecurrentNet net_;
  Vector<Source> sources_;
};

}  // namespace seehear
