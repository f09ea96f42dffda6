import NIOCore
import Synchronization

/// What of a request's body has come and waits to be worked on: bounded, taken in bulk.
///
/// **Overview.** One task puts what the connection brings, another takes all of it at once; while
/// that one works, the next bytes gather here. When `bytesMax` wait, `put` waits, the connection is
/// not read from, and the client feels it.
///
/// **Invariants.** At most one task waits to put and one to take; after `close` neither waits.
final class BodyBacklog: Sendable {
    private struct State {
        var waiting = ByteBuffer()
        var hasEnded = false
        var failure: (any Error)?
        var isClosed = false
        var putter: CheckedContinuation<Void, Never>?
        var taker: CheckedContinuation<Void, Never>?

        mutating func takePutter() -> CheckedContinuation<Void, Never>? {
            defer { putter = nil }
            return putter
        }

        mutating func takeTaker() -> CheckedContinuation<Void, Never>? {
            defer { taker = nil }
            return taker
        }

        mutating func takeBytes() -> ByteBuffer {
            // Not cleared: what is handed out shares its storage.
            defer { waiting = ByteBuffer() }
            return waiting
        }

        mutating func append(_ bytes: ByteBuffer) {
            if waiting.readableBytes == 0 {
                waiting = bytes
            } else {
                waiting.writeImmutableBuffer(bytes)
            }
        }
    }

    private let bytesMax: Int
    private let state = Mutex(State())

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// Hands bytes over; waits while too many wait already.
    ///
    /// - Returns: false where nobody will take any more.
    func put(_ bytes: ByteBuffer) async -> Bool {
        let (isOpen, taker) = state.withLock { state in
            if !state.isClosed { state.append(bytes) }
            return (!state.isClosed, state.takeTaker())
        }
        taker?.resume()
        guard isOpen else { return false }
        await withCheckedContinuation { continuation in
            let mustWait = state.withLock { state in
                guard !state.isClosed, state.waiting.readableBytes >= bytesMax else { return false }
                state.putter = continuation
                return true
            }
            if !mustWait { continuation.resume() }
        }
        return state.withLock { !$0.isClosed }
    }

    /// The body has come to its end: what waits is still handed out, but where it broke off.
    func end(_ failure: (any Error)? = nil) {
        let taker = state.withLock { state in
            state.hasEnded = true
            state.failure = failure
            return state.takeTaker()
        }
        taker?.resume()
    }

    /// All that waits; waits for some where there is none.
    ///
    /// - Returns: nil behind the end.
    /// - Throws: why the body broke off.
    func take() async throws -> ByteBuffer? {
        await withCheckedContinuation { continuation in
            let mustWait = state.withLock { state in
                guard state.waiting.readableBytes == 0, !state.hasEnded, !state.isClosed else {
                    return false
                }
                state.taker = continuation
                return true
            }
            if !mustWait { continuation.resume() }
        }
        let (bytes, failure, putter) = state.withLock { state in
            (state.takeBytes(), state.failure, state.takePutter())
        }
        putter?.resume()
        if let failure { throw failure }
        return bytes.readableBytes > 0 ? bytes : nil
    }

    /// Nothing more is put or taken.
    func close() {
        let (putter, taker) = state.withLock { state in
            state.isClosed = true
            return (state.takePutter(), state.takeTaker())
        }
        putter?.resume()
        taker?.resume()
    }
}
