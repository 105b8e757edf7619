"""When incidents are known to have happened in the CloudWatch series of the Numenta Anomaly Benchmark.

Facts from labels/combined_windows.json of github.com/numenta/NAB (Lavin & Ahmad 2015): a window around each incident.
"""

from __future__ import annotations

import pandas as pd

_KNOWN = {
    "ec2_cpu_utilization_53ea38": "2014-02-19 10:50/16:40 2014-02-23 11:45/16:40",
    "ec2_cpu_utilization_5f5533": "2014-02-18 16:02/16:40 2014-02-24 10:17/16:40",
    "ec2_cpu_utilization_77c1ca": "2014-04-08 17:30/33:30",
    "ec2_cpu_utilization_ac20cd": "2014-04-14 07:49/33:45",
    "ec2_cpu_utilization_c6585a": "2014-04-14 10:34/33:30",
    "ec2_disk_write_bytes_c0d644": "2014-04-08 19:55/11:10 2014-04-10 09:00/11:10 2014-04-12 18:25/11:10",
    "ec2_network_in_5abac7": "2014-03-10 09:06/19:40 2014-03-12 11:11/19:40",
    "ec2_request_latency_system_failure": "2014-03-14 03:31/11:10 2014-03-18 17:06/11:10 2014-03-20 21:26/06:15",
    "grok_asg_anomaly": "2014-01-20 02:05/12:50 2014-01-21 04:20/12:50 2014-01-28 18:20/12:50",
    "iio_us-east-1_i-a2eb1cd9_NetworkIn": "2013-10-10 10:35/05:10 2013-10-10 18:05/05:10",
    "rds_cpu_utilization_cc0c53": "2014-02-24 22:50/16:45 2014-02-26 16:30/16:40",
}


def known_incidents(series: str) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """First and last moment (UTC) of the window around each incident of a series."""
    words = _KNOWN[series].split()
    found = []
    for day, rest in zip(words[::2], words[1::2], strict=True):
        time, length = rest.split("/")
        begin = pd.Timestamp(f"{day} {time}", tz="UTC")
        found.append((begin, begin + pd.Timedelta(f"{length}:00")))
    return found
