//! A place for a shared value that is replaced as a whole.

use alloc::rc::Rc;
use core::cell::Cell;

/// Like `RefCell<Option<Rc<T>>>`, without borrows that could overlap, and so without a panic for them.
pub(crate) struct Slot<T>(Cell<Option<Rc<T>>>);

impl<T> Slot<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Cell::new(Some(Rc::new(value))))
    }

    pub(crate) const fn empty() -> Self {
        Self(Cell::new(None))
    }

    pub(crate) fn get(&self) -> Option<Rc<T>> {
        let value = self.0.take();
        self.0.set(value.clone());
        value
    }

    pub(crate) fn set(&self, value: T) {
        self.0.set(Some(Rc::new(value)));
    }

    pub(crate) fn clear(&self) {
        self.0.take();
    }
}
