#include "nets/recurrent_net.h"

#include <algorithm>

namespace seehear {
namespace {

Status Expect(const Graph& graph, const char* tensor, TensorPort* port, int size) {
  if (port == nullptr) {
    return Status::Error("graph %s needs a tensor %s, it has %s", graph.name().c_str(), tensor,
                         graph.TensorNames().c_str());
  }
  if (port->size() != size) {
    return Status::Error("graph %s: tensor %s must hold %d values, got %d", graph.name().c_str(), tensor,
                         size, port->size());
  }
  return Status::Ok();
}

}  // namespace

Status RecurrentNet::Find(const Text& graph, Vector<Graph>* graphs, int* index) const {
  for (int i = 0; i < graphs->size(); ++i) {
    if ((*graphs)[i].name() == graph) {
      *index = i;
      return Status::Ok();
    }
  }
  return Status::Error("network %s names graph %s, which graphs does not list", name_.c_str(), graph.c_str());
}

Status RecurrentNet::PrepareLayer(const LayerSpec& spec, int input_size, Vector<Graph>* graphs,
                                  Layer* layer) {
  SEEHEAR_RETURN_IF_ERROR(Find(spec.graph, graphs, &layer->graph));
  const Status units = layer->cell.Prepare(spec.units);
  if (!units.ok()) {
    return Status::Error("network %s, layer %s: %s", name_.c_str(), spec.graph.c_str(), units.text());
  }
  Graph& graph = (*graphs)[layer->graph];
  layer->x = graph.Input("x");
  layer->h = graph.Input("h");
  SEEHEAR_RETURN_IF_ERROR(Expect(graph, "x", layer->x, input_size));
  SEEHEAR_RETURN_IF_ERROR(Expect(graph, "h", layer->h, spec.units));
  layer->gx = graph.Output("gx");
  layer->gh = graph.Output("gh");
  SEEHEAR_RETURN_IF_ERROR(Expect(graph, "gx", layer->gx, 3 * spec.units));
  return Expect(graph, "gh", layer->gh, 3 * spec.units);
}

Status RecurrentNet::Prepare(const NetSpec& spec, int input_size, Vector<Graph>* graphs) {
  SEEHEAR_RETURN_IF_ERROR(name_.CopyFrom(spec.name));
  if (spec.layers.empty()) return Status::Error("network %s needs at least one layer", name_.c_str());
  SEEHEAR_RETURN_IF_ERROR(layers_.Allocate(spec.layers.size()));
  int size = input_size, widest = 0;
  for (int i = 0; i < spec.layers.size(); ++i) {
    SEEHEAR_RETURN_IF_ERROR(PrepareLayer(spec.layers[i], size, graphs, &layers_[i]));
    size = spec.layers[i].units;
    widest = std::max(widest, size);
  }
  x_ = layers_[0].x;
  SEEHEAR_RETURN_IF_ERROR(gx_.Allocate(3 * widest));
  SEEHEAR_RETURN_IF_ERROR(gh_.Allocate(3 * widest));

  SEEHEAR_RETURN_IF_ERROR(Find(spec.head, graphs, &head_));
  Graph& head = (*graphs)[head_];
  head_h_ = head.Input("h");
  SEEHEAR_RETURN_IF_ERROR(Expect(head, "h", head_h_, size));
  SEEHEAR_RETURN_IF_ERROR(outputs_.Allocate(spec.outputs.size()));
  for (int i = 0; i < outputs_.size(); ++i) {
    const auto& [tensor, role] = spec.outputs[i];
    HeadOutput& output = outputs_[i];
    SEEHEAR_RETURN_IF_ERROR(output.role.CopyFrom(role));
    output.port = head.Output(tensor.c_str());
    if (output.port == nullptr) {
      return Status::Error("network %s: its head %s has no output %s, it has %s", name_.c_str(),
                           spec.head.c_str(), tensor.c_str(), head.TensorNames().c_str());
    }
    SEEHEAR_RETURN_IF_ERROR(output.values.Allocate(output.port->size()));
  }
  return Status::Ok();
}

void RecurrentNet::Reset() noexcept {
  for (Layer& layer : layers_) layer.cell.Reset();
  for (HeadOutput& output : outputs_) std::fill(output.values.begin(), output.values.end(), 0.0f);
}

const float* RecurrentNet::Output(const char* role, int size, Status* status) const {
  for (const HeadOutput& output : outputs_) {
    if (!(output.role == role)) continue;
    if (output.values.size() != size) {
      *status = Status::Error("network %s: output %s must hold %d values, got %d", name_.c_str(), role, size,
                              output.values.size());
      return nullptr;
    }
    return output.values.data();
  }
  *status = Status::Error("network %s needs an output %s", name_.c_str(), role);
  return nullptr;
}

bool RecurrentNet::Process(const Invoke& invoke) noexcept {
  const float* from = nullptr;
  for (Layer& layer : layers_) {
    const int units = layer.cell.units();
    if (from != nullptr) layer.x->Write(from, 0, layer.x->size());
    layer.h->Write(layer.cell.h(), 0, units);
    if (!invoke(layer.graph) || !layer.gx->Read(gx_.data()) || !layer.gh->Read(gh_.data())) return false;
    layer.cell.Step(gx_.data(), gh_.data());
    from = layer.cell.next_h();
  }
  head_h_->Write(from, 0, head_h_->size());
  if (!invoke(head_)) return false;
  for (HeadOutput& output : outputs_) {
    if (!output.port->Finite()) return false;
  }
  for (HeadOutput& output : outputs_) output.port->Read(output.values.data());
  for (Layer& layer : layers_) layer.cell.Commit();
  return true;
}

}  // namespace seehear
