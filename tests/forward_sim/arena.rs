//! Memory that lives as long as a world: what the binary has as statics, for
//! which thousands of worlds take turns.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;

thread_local! {
    static PIECES: RefCell<Vec<Piece>> = const { RefCell::new(Vec::new()) };
}

/// A piece of memory, and how what is in it goes.
struct Piece {
    place: *mut u8,
    layout: Layout,
    go: fn(*mut u8),
}

/// A value of zero bytes, until [`end`].
///
/// # Safety
/// Zero bytes are a valid value of it, and it is not used after [`end`].
pub unsafe fn zeroed<T>() -> &'static mut T {
    // It has nothing to let go of.
    place::<T>(|_| {})
}

/// Keeps a value until [`end`].
///
/// # Safety
/// It is not used after that.
pub unsafe fn keep<T>(value: T) -> &'static T {
    let place: &mut std::mem::MaybeUninit<T> = place(|at| {
        // SAFETY: a value was written there below, and nobody uses it any more.
        unsafe { at.cast::<T>().drop_in_place() };
    });
    place.write(value)
}

fn place<T>(go: fn(*mut u8)) -> &'static mut T {
    let layout = Layout::new::<T>();
    assert!(layout.size() > 0);
    // SAFETY: the layout is not empty.
    let place = unsafe { alloc_zeroed(layout) };
    assert!(!place.is_null());
    PIECES.with_borrow_mut(|pieces| pieces.push(Piece { place, layout, go }));
    // SAFETY: it is ours, large enough, and the callers vouch for its bytes.
    unsafe { &mut *place.cast() }
}

/// The world has ended: whatever was kept for it goes.
pub fn end() {
    let pieces = PIECES.take();
    for piece in pieces.into_iter().rev() {
        (piece.go)(piece.place);
        // SAFETY: it was allocated with this layout.
        unsafe { dealloc(piece.place, piece.layout) };
    }
}
