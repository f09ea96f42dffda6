/// Decides when a client that sends a body is too slow to be waited for.
///
/// **Overview.** A client could send a byte a second and hold a connection for ever: an idle timer
/// starts anew with each byte. This asks for a rate. A window in which we did not want bytes,
/// because a route takes them more slowly than they come, is not counted against the client; nor is
/// one in which a part of the body was answered: a till that streams a sale every few seconds is
/// slow, and worth waiting for.
///
/// **Function.** Feed it what happens on the connection; end a window each
/// `APIServerLimits.bodyWindow` from the moment that `wantsWindows` becomes true until it is false.
///
/// **Implementation.** The channel asks for more bytes right after a read, unless it is held back.
/// A pause longer than `heldBackMin` between the two means that it was.
struct ClientPatience {
    /// Nanoseconds.
    static let heldBackMin: UInt64 = 50_000_000

    private enum State {
        /// Between requests, or a request is whole: the idle timer and the route have it.
        case atRest
        case readingBody(Window)
    }

    private struct Window {
        var bytes = 0
        var wasHeldBack = false
        var wasAnswered = false
    }

    private var state: State = .atRest
    private var isAsking = true
    private var stoppedAsking: UInt64 = 0
    private let bytesMin: Int

    init(bytesMin: Int) {
        self.bytesMin = bytesMin
    }

    /// Whether a body is on its way.
    var wantsWindows: Bool {
        if case .readingBody = state { true } else { false }
    }

    mutating func headRead() { state = .readingBody(Window()) }

    mutating func bodyRead(bytes: Int) {
        guard case .readingBody(var window) = state else { return }
        window.bytes += bytes
        state = .readingBody(window)
    }

    /// A part of the answer goes out while the body still comes.
    mutating func answered() {
        guard case .readingBody(var window) = state else { return }
        window.wasAnswered = true
        state = .readingBody(window)
    }

    mutating func endRead() { state = .atRest }

    /// The channel has passed on all that came; `now` in nanoseconds.
    mutating func readCompleted(now: UInt64) {
        isAsking = false
        stoppedAsking = now
    }

    /// The channel asks for more.
    mutating func readAsked(now: UInt64) {
        if case .readingBody(var window) = state, !isAsking,
            now - stoppedAsking > ClientPatience.heldBackMin
        {
            window.wasHeldBack = true
            state = .readingBody(window)
        }
        isAsking = true
    }

    /// Whether the client is still worth waiting for.
    mutating func windowEnded() -> Bool {
        guard case .readingBody(let window) = state else { return true }
        state = .readingBody(Window())
        return window.wasHeldBack || window.wasAnswered || !isAsking || window.bytes >= bytesMin
    }
}
