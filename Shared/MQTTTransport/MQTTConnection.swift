import Glibc

/// A connection to an MQTT broker that keeps itself up, on a thread of its own.
///
/// **Overview.** It connects, subscribes, and says `connected`; it publishes within a window;
/// whatever fails, it says so in a sentence, waits with backoff, and begins anew. MQTT is a lossy
/// transport here: `delivered` means that the broker has a message, not that anybody read it.
///
/// **Function.** `start` it once, `publish` from any thread, `stop` it once. The handler is called
/// on the connection's own thread, one event at a time, in order, and holds no lock: it may
/// publish, and it may stop. While the handler works nothing is read, which is how a slow consumer
/// slows the broker down; let it not work for longer than the keepalive.
///
/// **Implementation.** Every call into libmosquitto is made by that one thread, from
/// `mosquitto_new` to `mosquitto_destroy`. Callers meet it at a `Mailbox`, under one short lock,
/// and wake it through an eventfd only if it rests in poll. All of it is checked by the compiler:
/// nothing here is `@unchecked Sendable`.
///
/// **Invariants.** Clean sessions only. At most `limits.outstandingMax` publishes are under way.
/// Nothing is handed to the library while it is not connected: it would queue that, and send it
/// twice.
package final class MQTTConnection: Sendable {
    private let configuration: MQTTConfiguration
    private let handler: @Sendable (MQTTEvent) -> Void
    private let mailbox: Mailbox

    package init(
        _ configuration: MQTTConfiguration, handler: @escaping @Sendable (MQTTEvent) -> Void
    ) {
        self.configuration = configuration
        self.handler = handler
        mailbox = Mailbox(limits: configuration.limits)
    }

    /// Nobody can reach the connection any more: it ends by itself, without a farewell.
    deinit {
        mailbox.requestStop(Mailbox.StopRequest(farewell: nil))
    }

    /// Begins connecting, and returns at once. A second call, or one after `stop`, does nothing.
    package func start() {
        guard mailbox.requestStart() else { return }
        let result = OwnThread.start { [configuration, handler, mailbox] in
            ConnectionThread(configuration: configuration, mailbox: mailbox, handler: handler).run()
        }
        guard result != 0 else { return }
        // There is no thread to say it, so it is said here.
        let failure = MQTTFailure.library(cause: "no thread: errno \(result)")
        mailbox.closeWindow(failure)
        mailbox.threadEnded()
        handler(.disconnected(failure))
    }

    /// Hands a message to the connection's thread. Never blocks on the network; O(length of the
    /// topic), the payload is not copied here.
    package func publish(_ message: MQTTMessage) -> PublishOutcome {
        if let flaw = message.flaw(limits: configuration.limits) { return .refused(flaw) }
        return mailbox.publish(message)
    }

    /// A snapshot, for people.
    package var status: MQTTStatus { mailbox.status }

    /// Publishes the farewell, if connected, waits for its PUBACK at most `limits.farewellMax`,
    /// disconnects, and waits for the thread. Idempotent; the first call's farewell counts.
    ///
    /// It blocks the caller for at most `farewellMax + stopGraceMax`, so do not call it on the
    /// cooperative pool. The thread may be inside the resolver or connect(2), which nothing
    /// interrupts. Then it is abandoned: it calls no handler any more, holds nothing but its own
    /// memory and a socket, and ends as soon as the system lets go of it. The same holds if the
    /// handler does not return. Called from the handler, it asks for the end and returns at once.
    package func stop(farewell: MQTTMessage? = nil) {
        let limits = configuration.limits
        let sayable = farewell.flatMap { $0.flaw(limits: limits) == nil ? $0 : nil }
        mailbox.requestStop(Mailbox.StopRequest(farewell: sayable))
        guard !mailbox.isOwnThread else { return }
        guard !mailbox.ended.wait(atMost: limits.farewellMax + limits.stopGraceMax) else { return }
        mailbox.abandon()
    }
}
