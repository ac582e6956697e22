#include "nets/graph.h"

namespace seehear {
namespace {

TensorPort* Find(Vector<TensorPort>& ports, const char* name) {
  for (TensorPort& port : ports) {
    if (port.spec().name == name) return &port;
  }
  return nullptr;
}

void Append(const Vector<TensorPort>& ports, Sentence* sentence) {
  for (int i = 0; i < ports.size(); ++i) {
    if (i > 0) sentence->Append(", ");
    sentence->Append(ports[i].spec().name.c_str());
  }
}

Status PrepareAll(const Text& graph, const Vector<TensorSpec>& specs, Vector<TensorPort>* ports) {
  SEEHEAR_RETURN_IF_ERROR(ports->Allocate(specs.size()));
  for (int i = 0; i < specs.size(); ++i) {
    const Status status = (*ports)[i].Prepare(specs[i]);
    if (!status.ok()) return Status::Error("graph %s: %s", graph.c_str(), status.text());
  }
  return Status::Ok();
}

}  // namespace

Status Graph::Prepare(const GraphSpec& spec) {
  SEEHEAR_RETURN_IF_ERROR(name_.CopyFrom(spec.name));
  SEEHEAR_RETURN_IF_ERROR(PrepareAll(name_, spec.inputs, &inputs_));
  return PrepareAll(name_, spec.outputs, &outputs_);
}

TensorPort* Graph::Input(const char* tensor) { return Find(inputs_, tensor); }

TensorPort* Graph::Output(const char* tensor) { return Find(outputs_, tensor); }

Sentence Graph::TensorNames() const {
  Sentence sentence;
  Append(inputs_, &sentence);
  sentence.Append(" -> ");
  Append(outputs_, &sentence);
  return sentence;
}

}  // namespace seehear
