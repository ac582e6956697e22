#include "recurrent_net.h"

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

Status RecurrentNet::Find(const std::string& graph, std::vector<Graph>* graphs, int* index) const {
  for (size_t i = 0; i < graphs->size(); ++i) {
    if ((*graphs)[i].name() == graph) {
      *index = static_cast<int>(i);
      return Status::Ok();
    }
  }
  return Status::Error("network %s names graph %s, which graphs does not list", name_.c_str(), graph.c_str());
}

Status RecurrentNet::PrepareLayer(const LayerSpec& spec, CellKind cell, int input_size,
                                  std::vector<Graph>* graphs, Layer* layer) {
  SEEHEAR_RETURN_IF_ERROR(Find(spec.graph, graphs, &layer->graph));
  const Status units = layer->cell.Prepare(cell, spec.units);
  if (!units.ok()) {
    return Status::Error("network %s, layer %s: %s", name_.c_str(), spec.graph.c_str(),
                         units.message().c_str());
  }
  Graph& graph = (*graphs)[layer->graph];
  layer->x = graph.Input("x");
  layer->h = graph.Input("h");
  SEEHEAR_RETURN_IF_ERROR(Expect(graph, "x", layer->x, input_size));
  SEEHEAR_RETURN_IF_ERROR(Expect(graph, "h", layer->h, spec.units));
  if (cell == CellKind::kGru) {
    layer->first = graph.Output("gx");
    layer->second = graph.Output("gh");
    SEEHEAR_RETURN_IF_ERROR(Expect(graph, "gx", layer->first, 3 * spec.units));
    return Expect(graph, "gh", layer->second, 3 * spec.units);
  }
  layer->first = graph.Output("g");
  return Expect(graph, "g", layer->first, 4 * spec.units);
}

Status RecurrentNet::Prepare(const NetSpec& spec, int input_size, std::vector<Graph>* graphs) {
  name_ = spec.name;
  if (spec.layers.empty()) return Status::Error("network %s needs at least one layer", name_.c_str());
  layers_.clear();
  layers_.resize(spec.layers.size());
  int size = input_size, widest = 0;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    SEEHEAR_RETURN_IF_ERROR(PrepareLayer(spec.layers[i], spec.cell, size, graphs, &layers_[i]));
    size = spec.layers[i].units;
    widest = std::max(widest, size);
  }
  x_ = layers_.front().x;
  first_.assign(widest * (spec.cell == CellKind::kGru ? 3 : 4), 0.0f);
  second_.assign(widest * (spec.cell == CellKind::kGru ? 3 : 0), 0.0f);

  SEEHEAR_RETURN_IF_ERROR(Find(spec.head, graphs, &head_));
  Graph& head = (*graphs)[head_];
  head_h_ = head.Input("h");
  SEEHEAR_RETURN_IF_ERROR(Expect(head, "h", head_h_, size));
  outputs_.clear();
  for (const auto& [tensor, role] : spec.outputs) {
    HeadOutput output;
    output.role = role;
    output.port = head.Output(tensor);
    if (output.port == nullptr) {
      return Status::Error("network %s: its head %s has no output %s, it has %s", name_.c_str(),
                           spec.head.c_str(), tensor.c_str(), head.TensorNames().c_str());
    }
    output.values.assign(output.port->size(), 0.0f);
    output.fresh.assign(output.port->size(), 0.0f);
    outputs_.push_back(std::move(output));
  }
  return Status::Ok();
}

void RecurrentNet::Reset() noexcept {
  for (Layer& layer : layers_) layer.cell.Reset();
  for (HeadOutput& output : outputs_) std::fill(output.values.begin(), output.values.end(), 0.0f);
}

const float* RecurrentNet::Output(const std::string& role, int size, Status* status) const {
  for (const HeadOutput& output : outputs_) {
    if (output.role != role) continue;
    if (static_cast<int>(output.values.size()) != size) {
      *status = Status::Error("network %s: output %s must hold %d values, got %d", name_.c_str(),
                              role.c_str(), size, static_cast<int>(output.values.size()));
      return nullptr;
    }
    return output.values.data();
  }
  *status = Status::Error("network %s needs an output %s", name_.c_str(), role.c_str());
  return nullptr;
}

bool RecurrentNet::Process(const Invoke& invoke) noexcept {
  const float* from = nullptr;
  for (Layer& layer : layers_) {
    const int units = layer.cell.units();
    if (from != nullptr) layer.x->Write(from, 0, layer.x->size());
    layer.h->Write(layer.cell.h(), 0, units);
    if (!invoke(layer.graph) || !layer.first->Read(first_.data())) return false;
    if (layer.second != nullptr) {
      if (!layer.second->Read(second_.data())) return false;
      layer.cell.StepGru(first_.data(), second_.data());
    } else {
      layer.cell.StepLstm(first_.data());
    }
    from = layer.cell.next_h();
  }
  head_h_->Write(from, 0, head_h_->size());
  if (!invoke(head_)) return false;
  for (HeadOutput& output : outputs_) {
    if (!output.port->Read(output.fresh.data())) return false;
  }
  for (HeadOutput& output : outputs_)
    std::copy(output.fresh.begin(), output.fresh.end(), output.values.begin());
  for (Layer& layer : layers_) layer.cell.Commit();
  return true;
}

}  // namespace seehear
