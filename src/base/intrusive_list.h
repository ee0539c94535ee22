#pragma once

#include <cassert>
#include <cstddef>

namespace trunkline {

// A link of an intrusive list. An object derives from `ListNode<Tag>` once for each list it can be
// in; it leaves the list when it is destroyed. Not thread-safe.
template <typename Tag = void>
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  bool linked() const { return next_ != nullptr; }

  void unlink() {
    if (!linked()) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = nullptr;
  }

 private:
  template <typename T, typename U>
  friend class IntrusiveList;

  ListNode* next_ = nullptr;
  ListNode* prev_ = nullptr;
};

// A doubly linked list that owns nothing and allocates nothing. Objects may leave it at any time,
// also while it is walked with `pop_front`. Not thread-safe.
template <typename T, typename Tag = void>
class IntrusiveList {
  using Node = ListNode<Tag>;

 public:
  IntrusiveList() { head_.next_ = head_.prev_ = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    while (pop_front() != nullptr) {
    }
    head_.next_ = head_.prev_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }
  // Walks the list: objects leave it without telling, so that no counter could be kept.
  size_t count() const {
    size_t nodes = 0;
    for (const Node* node = head_.next_; node != &head_; node = node->next_) ++nodes;
    return nodes;
  }
  T& front() { return *static_cast<T*>(head_.next_); }
  T& back() { return *static_cast<T*>(head_.prev_); }

  void push_back(T& object) { insert_before(head_, object); }
  void push_front(T& object) { insert_before(*head_.next_, object); }

  // nullptr when empty.
  T* pop_front() {
    if (empty()) return nullptr;
    Node* node = head_.next_;
    node->unlink();
    return static_cast<T*>(node);
  }

  void take_all(IntrusiveList& from) {
    while (T* object = from.pop_front()) push_back(*object);
  }

  // `visit` may unlink the object it is given, and no other.
  template <typename Visit>
  void for_each(Visit visit) {
    for (Node* node = head_.next_; node != &head_;) {
      Node* next = node->next_;
      visit(*static_cast<T*>(node));
      node = next;
    }
  }

 private:
  static void insert_before(Node& where, T& object) {
    Node& node = object;
    assert(!node.linked());
    node.prev_ = where.prev_;
    node.next_ = &where;
    where.prev_->next_ = &node;
    where.prev_ = &node;
  }

  Node head_;
};

}  // namespace trunkline
