// Intrusive containers: no allocation, O(1) unlink of a known element.
#pragma once

namespace vervet {

// A hook is embedded in (inherited by) the element; `linked()` tells whether it is in a list.
struct list_hook {
  list_hook* next = nullptr;
  list_hook* previous = nullptr;
  bool linked() const { return next != nullptr; }
};

// A doubly linked list of T, which derives from list_hook. Works in zero-filled memory.
template <typename T>
class list {
 public:
  bool empty() const { return head_.next == nullptr || head_.next == &head_; }
  T* front() { return empty() ? nullptr : static_cast<T*>(head_.next); }
  // Whatever stands there at this moment, by whoever does not own the list: to be fetched, not to be used.
  const void* front_unlocked() const { return __atomic_load_n(&head_.next, __ATOMIC_RELAXED); }
  // The element after `element`, or null.
  T* after(T* element) {
    return element->next == &head_ ? nullptr : static_cast<T*>(element->next);
  }

  void push_back(T* element) {
    if (head_.next == nullptr) head_.next = head_.previous = &head_;
    list_hook* hook = element;
    hook->next = &head_;
    hook->previous = head_.previous;
    head_.previous->next = hook;
    head_.previous = hook;
  }

  void push_front(T* element) {
    if (head_.next == nullptr) head_.next = head_.previous = &head_;
    list_hook* hook = element;
    hook->next = head_.next;
    hook->previous = &head_;
    head_.next->previous = hook;
    head_.next = hook;
  }

  static void remove(T* element) {
    list_hook* hook = element;
    hook->previous->next = hook->next;
    hook->next->previous = hook->previous;
    hook->next = hook->previous = nullptr;
  }

  T* pop_front() {
    T* element = front();
    if (element != nullptr) remove(element);
    return element;
  }

 private:
  list_hook head_;
};

// A singly linked FIFO through T::next_queued.
template <typename T>
class fifo {
 public:
  bool empty() const { return head_ == nullptr; }
  void push(T* element) {
    element->next_queued = nullptr;
    if (head_ == nullptr)
      head_ = element;
    else
      tail_->next_queued = element;
    tail_ = element;
  }
  T* pop() {
    T* element = head_;
    if (element != nullptr) head_ = element->next_queued;
    return element;
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;
};

}  // namespace vervet
