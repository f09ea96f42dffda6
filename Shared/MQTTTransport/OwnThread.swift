import CMosquitto
import Glibc

/// A thread that belongs to nobody's pool. It is detached: whoever must know its end is told by its
/// body.
enum OwnThread {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// The thread takes no signal: those of the process are the main program's business, and
    /// SIGPIPE would end it.
    /// - Returns: 0, or the `errno` of pthread_create(3).
    static func start(_ run: @escaping @Sendable () -> Void) -> Int32 {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        // A thread inherits the mask of the one that makes it.
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let body = Unmanaged.passRetained(Body(run))
        var thread = pthread_t()
        let result = pthread_create(&thread, &attributes, ownThreadMain, body.toOpaque())
        if result != 0 { body.release() }
        return result
    }

    fileprivate static func enter(_ context: UnsafeMutableRawPointer) {
        tributary_name_thread("tributary-mqtt")
        Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
    }
}

private nonisolated func ownThreadMain(
    _ context: UnsafeMutableRawPointer?
) -> UnsafeMutableRawPointer? {
    guard let context else { preconditionFailure("the thread lost its body") }
    OwnThread.enter(context)
    return nil
}
