// An array whose size is set while preparing. It lives on the heap, in the caller's memory (see Arena), or is
// a view of a table that lies elsewhere, in flash say.
#pragma once

#include <initializer_list>
#include <new>
#include <utility>

#include "base/arena.h"
#include "base/status.h"

namespace seehear {

template <typename T>
class Vector {
 public:
  Vector() = default;
  Vector(Vector&& other) noexcept { *this = std::move(other); }
  ~Vector() { Release(); }

  // A vector that reads `data`, which must outlive it and all its copies.
  static Vector View(const T* data, int size) {
    Vector view;
    view.data_ = const_cast<T*>(data);
    view.size_ = size;
    return view;
  }

  Vector& operator=(Vector&& other) noexcept {
    swap(other);
    return *this;
  }

  // Bytes of an arena that Allocate takes.
  static constexpr size_t Memory(int count) { return Arena::Whole(static_cast<size_t>(count) * sizeof(T)); }

  // `count` values, all T(). What was there before is gone.
  Status Allocate(int count) {
    Release();
    if (count == 0) return Status::Ok();
    const size_t bytes = static_cast<size_t>(count) * sizeof(T);
    void* memory = nullptr;
    if (Arena* arena = Arena::current()) {
      memory = arena->Take(bytes);
#if !defined(SEEHEAR_NO_HEAP)
    } else {
      memory = ::operator new(bytes);
      on_heap_ = true;
#endif
    }
    if (memory == nullptr) {
      return Status::Error("the memory given is too small: %d bytes more do not fit",
                           static_cast<int>(bytes));
    }
    data_ = static_cast<T*>(memory);
    size_ = count;
    owns_ = true;
    for (T& item : *this) new (&item) T();
    return Status::Ok();
  }

  // Of the same values: a view of a view, otherwise a copy.
  Status CopyFrom(const Vector& other) {
    if (!other.owns_) {
      *this = View(other.data_, other.size_);
      return Status::Ok();
    }
    const Status status = Allocate(other.size_);
    for (int i = 0; i < size_; ++i) data_[i] = other.data_[i];
    return status;
  }

#if !defined(SEEHEAR_NO_HEAP)
  // As std::vector, for configurations made on a machine with a heap.
  Vector(const Vector& other) { CopyFrom(other); }
  Vector(std::initializer_list<T> items) { Assign(items); }
  template <typename Items, typename = decltype(std::declval<const Items&>().begin())>
  Vector(const Items& items) {
    Assign(items);
  }
  Vector& operator=(const Vector& other) {
    if (this != &other) CopyFrom(other);
    return *this;
  }
  void assign(int count, const T& value) {
    Allocate(count);
    for (T& item : *this) item = value;
  }
  void push_back(T item) {
    Vector longer;
    longer.Allocate(size_ + 1);
    for (int i = 0; i < size_; ++i) longer.data_[i] = std::move(data_[i]);
    longer.data_[size_] = std::move(item);
    swap(longer);
  }
#endif

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](int i) { return data_[i]; }
  const T& operator[](int i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }

  void swap(Vector& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(owns_, other.owns_);
    std::swap(on_heap_, other.on_heap_);
  }

 private:
  template <typename Items>
  void Assign(const Items& items) {
    Allocate(static_cast<int>(items.size()));
    int i = 0;
    for (const auto& item : items) data_[i++] = T(item);
  }

  void Release() {
    if (owns_) {
      for (T& item : *this) item.~T();
    }
#if !defined(SEEHEAR_NO_HEAP)
    if (on_heap_) ::operator delete(data_);
#endif
    data_ = nullptr;
    size_ = 0;
    owns_ = on_heap_ = false;
  }

  T* data_ = nullptr;
  int size_ = 0;
  bool owns_ = false;
  bool on_heap_ = false;
};

}  // namespace seehear
