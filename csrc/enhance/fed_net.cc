#include "enhance/fed_net.h"

namespace seehear {

Status FedNet::Prepare(const NetSpec& spec, const NetInput* offered, int count, Vector<Graph>* graphs) {
  SEEHEAR_RETURN_IF_ERROR(sources_.Allocate(spec.inputs.size()));
  int size = 0;
  for (int i = 0; i < sources_.size(); ++i) {
    const NetInput* found = nullptr;
    for (int k = 0; k < count; ++k) {
      if (spec.inputs[i] == offered[k].role) found = &offered[k];
    }
    if (found == nullptr) {
      Sentence roles;
      for (int k = 0; k < count; ++k) {
        if (k > 0) roles.Append(' ');
        roles.Append(offered[k].role);
      }
      return Status::Error("network %s: input must be one of '%s', got '%s'", spec.name.c_str(),
                           roles.c_str(), spec.inputs[i].c_str());
    }
    sources_[i] = {found->values, found->size, size};
    size += found->size;
  }
  if (size == 0) return Status::Error("network %s needs at least one input", spec.name.c_str());
  return net_.Prepare(spec, size, graphs);
}

bool FedNet::Process(const Invoke& invoke) noexcept {
  for (const Source& source : sources_) net_.Feed(source.values, source.offset, source.size);
  return net_.Process(invoke);
}

}  // namespace seehear
