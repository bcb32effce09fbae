"""What a network has learned: questions about a recording, each answered by a `Finding`.

To read in this order:

what an answer is
    measure, chart, finding, provenance; question and questions, the list that `marey find` asks.
what all questions stand on
    labeled_clips, trained_groups; intervals and permutations; untrained; asking, which shows clips anew; steps.
specificity
    average_precision, ranked_units, selectivity, detection_test, served_classes; class_units holds units.
fusion
    towers, continuation, crossing; congruence, joint_units, pair_kinds, carriers, class_parts; preferred_parts.
invariance
    retimed, replays; speed_tuning, clip_span, depth, by_depth; tempo, sweeps.
failures, and explain for one clip
    ablation, deep_passes; confused_pairs, carrying_units, class_closeness, failures_found.
idiosyncrasies
    picture_areas, filled, exchanged, cues, cue_colors, cue_answers; class_effects, class_cues; actor_masks,
    actor_places, outside_units; group_leaks.
needs
    interventions, carried_noise, losses.
pages of units
    class_means, what chance gives for the mean of a class; ties, the units that move each other.
the guess page
    guesses, files of answers; guess_sums, what they come to.
agreement
    preferred_folder, shown_back; recognition, nearness, layer_nearness, seed_agreement.

Files that end in `_told`, `_tables` or `_report` put numbers into words, tables and the figure.
"""
