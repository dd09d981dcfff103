"""``chatws tap``: a reverse proxy for a Socket.IO server that shows its events, pairs them and injects faults.

Modules: ``tap_server`` and ``tapped_connection`` (the proxy), ``http_stream``, ``request_head`` and ``frame_splitter``
(bytes to requests and frames), ``observations`` and ``observation_stream`` (from the proxy to the analysis),
``analysis_process``, ``analyser`` and ``packet_analyser`` (packets to records), ``tapped_session``, ``event_fields``
(rooms, ids and contents by the mapping), ``message_pairs`` and ``storms`` (flags), ``fault_rules``, ``fault_injector``,
``injected_connection`` and ``poll_injection`` (faults), ``masking``, ``tap_records``, ``record_text``,
``record_filter`` and ``line_writer`` (output), ``screen_state`` and ``screen``, ``tap_options``, ``supervised_tap``,
``command``, ``record_program``, ``record_command`` and ``chatlog_output`` (``chatws record``).
"""
