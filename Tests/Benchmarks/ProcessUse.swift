import Foundation

/// What the kernel says that a process uses (proc(5)).
enum ProcessUse {
    /// Resident memory now, in bytes.
    static func resident(_ pid: Int32) throws -> Double { try field("VmRSS", pid) }

    /// The most that was ever resident, in bytes.
    static func residentPeak(_ pid: Int32) throws -> Double { try field("VmHWM", pid) }

    /// Seconds of processor time so far, of all threads, in user mode and in the kernel.
    static func processorSeconds(_ pid: Int32) throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        // The name may contain anything; behind its parenthesis comes field 3.
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13])
        else { throw Implausible("/proc/\(pid)/stat has no times") }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Seconds of processor time so far, of everything that runs here, and of us and our children that have ended.
    static func machineSeconds() throws -> (all: Double, ours: Double) {
        let text = try String(contentsOfFile: "/proc/stat", encoding: .utf8)
        let fields = text.prefix { $0 != "\n" }.split(separator: " ").dropFirst().compactMap {
            Double($0)
        }
        guard fields.count >= 8 else { throw Implausible("/proc/stat has no times") }
        // user, nice, system, irq, softirq and stolen, without idle and iowait.
        let busy = fields[0] + fields[1] + fields[2] + fields[5] + fields[6] + fields[7]
        var own = rusage()
        var children = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &own)
        getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &children)
        return (busy / Double(sysconf(Int32(_SC_CLK_TCK))), own.seconds + children.seconds)
    }

    private static func field(_ name: String, _ pid: Int32) throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix("\(name):") }
        guard
            let kilobytes = line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst()
                .first,
            let value = Double(kilobytes)
        else { throw Implausible("/proc/\(pid)/status has no \(name)") }
        return value * 1024
    }
}

extension rusage {
    fileprivate var seconds: Double {
        Double(ru_utime.tv_sec + ru_stime.tv_sec) + Double(ru_utime.tv_usec + ru_stime.tv_usec)
            / 1e6
    }
}
